import type { Response } from 'express'
import type { Encoded } from '#server/services/encoded.ts'

/** Sends what was encoded before. Answers 304 without a body where the client has it already (RFC 9110, 13.1.2). */
export function sendEncoded(response: Response, { body, etag }: Encoded): void {
  response.setHeader('etag', etag)
  response.setHeader('content-type', 'application/json; charset=utf-8')
  response.send(body)
}
