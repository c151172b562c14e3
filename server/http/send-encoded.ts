import type { Response } from 'express'
import type { Encoded } from '#server/services/reply-encoder.ts'

const JSON_TYPE = 'application/json; charset=utf-8'

/**
 * Sends what was encoded before, unless the request's time was over and it has its answer. The client keeps it and asks
 * before each use; where it has it already, the answer is 304 without a body (RFC 9110, 13.1.2).
 */
export function sendEncoded(response: Response, { body, etag }: Encoded): void {
  if (response.headersSent) return
  response.setHeader('cache-control', 'private, no-cache')
  response.setHeader('etag', etag)
  response.setHeader('content-type', JSON_TYPE)
  response.send(body)
}

/** Sends what nobody may keep: the answer to a write, and figures that are outdated at once. */
export function sendUnkept(response: Response, { body }: Encoded): void {
  if (response.headersSent) return
  response.setHeader('cache-control', 'no-store')
  response.setHeader('content-type', JSON_TYPE)
  response.end(body)
}
