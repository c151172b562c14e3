import type { RequestHandler } from 'express'
import { HTTP_METHODS } from '#optimizations/express/http-methods.ts'

const ALLOW = HTTP_METHODS.join(', ')

/** `OPTIONS *` asks of the server as a whole what it can do (RFC 9110, 9.3.7): many use it to see whether it answers. */
export const answerServerOptions: RequestHandler = (request, response, next) => {
  if (request.method === 'OPTIONS' && request.url === '*') response.setHeader('allow', ALLOW).status(204).end()
  else next()
}
