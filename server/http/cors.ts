import type { RequestHandler } from 'express'

const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE'
const REQUEST_HEADERS = 'authorization, content-type, idempotency-key, if-match, if-none-match, x-request-id'
/** What a script of another origin may read of a reply, beside the few headers that are always readable. */
const REPLY_HEADERS = 'etag, location, retry-after, server-timing, x-request-id'
const PREFLIGHT_VALID_SEC = 600

/**
 * Cross-origin requests (Fetch standard, 3.2) from the origins that are listed, and from no other. No credentials:
 * who asks is told by a bearer token, which a browser never sends by itself.
 */
export function createCors(origins: readonly string[]): RequestHandler {
  const allowed = new Set(origins)
  return (request, response, next) => {
    if (allowed.size === 0) {
      next()
      return
    }
    response.vary('Origin')
    const origin = request.get('origin')
    if (origin === undefined || !allowed.has(origin)) {
      next()
      return
    }
    response.setHeader('access-control-allow-origin', origin)
    response.setHeader('access-control-expose-headers', REPLY_HEADERS)
    if (request.method !== 'OPTIONS' || request.get('access-control-request-method') === undefined) {
      next()
      return
    }
    response.setHeader('access-control-allow-methods', METHODS)
    response.setHeader('access-control-allow-headers', REQUEST_HEADERS)
    response.setHeader('access-control-max-age', PREFLIGHT_VALID_SEC)
    response.status(204).end()
  }
}
