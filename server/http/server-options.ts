import type { RequestHandler } from 'express'

export const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'

/** `OPTIONS *` asks of the server as a whole what it can do (RFC 9110, 9.3.7): many use it to see whether it answers. */
export const answerServerOptions: RequestHandler = (request, response, next) => {
  if (request.method === 'OPTIONS' && request.url === '*') response.setHeader('allow', METHODS).status(204).end()
  else next()
}
