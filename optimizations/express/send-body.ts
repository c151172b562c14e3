import type { ServerResponse } from 'node:http'

/** Sends these bytes with the length that they have, unless the request's time was over and it has its answer. */
export function sendBody(response: ServerResponse, type: string, body: Buffer | string): void {
  if (response.headersSent) return
  response.setHeader('content-type', type)
  response.setHeader('content-length', Buffer.byteLength(body))
  response.end(body)
}
