import type { Express, Response } from 'express'
import { sendBody } from '#optimizations/express/send-body.ts'
import type { PageFile } from './page-file.ts'
import type { Encoded } from '#server/services/reply-encoder.ts'

const JSON_TYPE = 'application/json; charset=utf-8'
/** What a server in front adds to the tag of a body that it has compressed (Apache's mod_deflate and mod_brotli). */
const COMPRESSED = /-(?:gzip|br|deflate|zstd)"$/

/**
 * Whether the client has the body of `etag` already, by its If-None-Match (RFC 9110, 13.1.2): compared weakly, because a
 * server in front that compresses marks the tag as weak.
 */
export function hasAlready(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false
  // No tag of ours has a comma in it.
  return ifNoneMatch.split(',').some((part) => {
    const tag = part.trim()
    return tag === '*' || tag.replace(/^W\//, '').replace(COMPRESSED, '"') === etag
  })
}

/**
 * Sends what the client may keep and asks for before each use; where it has it already, the answer is 304 without a body
 * (RFC 9110, 15.4.5).
 */
function sendTagged(response: Response, { type, body, etag }: PageFile): void {
  response.setHeader('etag', etag)
  if (hasAlready(response.req.headers['if-none-match'], etag)) response.status(304).end()
  else sendBody(response, type, body)
}

/** Sends what was encoded before: the client alone may keep it. */
export function sendEncoded(response: Response, { body, etag }: Encoded): void {
  if (response.headersSent) return
  response.setHeader('cache-control', 'private, no-cache')
  sendTagged(response, { type: JSON_TYPE, body, etag })
}

/** Sends a file that is the same for everybody. */
export function sendPageFile(response: Response, file: PageFile): void {
  if (response.headersSent) return
  response.setHeader('cache-control', 'no-cache')
  sendTagged(response, file)
}

/** Sends what nobody may keep: the answer to a write, and what differs each time. */
export function sendUnkept(response: Response, { body }: Encoded): void {
  if (response.headersSent) return
  response.setHeader('cache-control', 'no-store')
  sendBody(response, JSON_TYPE, body)
}

/** Takes from the responses of `app` every way of Express to send what no schema has seen. */
export function refuseUnencodedReplies(app: Express): void {
  for (const name of ['download', 'json', 'jsonp', 'render', 'send', 'sendFile', 'sendStatus'] as const) {
    Object.defineProperty(app.response, name, {
      value: () => {
        throw new Error(`response.${name}() sends what no schema has built: use http/send-reply.ts`)
      },
    })
  }
}
