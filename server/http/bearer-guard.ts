import { createHash, timingSafeEqual } from 'node:crypto'
import type { RequestHandler } from 'express'
import { HttpError } from './problem.ts'

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/** Lets pass who knows `token`, and everybody when there is none. Takes the same time whatever is offered. */
export function createBearerGuard(token: string | undefined): RequestHandler {
  if (token === undefined) return (_request, _response, next) => next()
  const expected = digest(`Bearer ${token}`)
  return (request, response, next) => {
    if (!timingSafeEqual(digest(request.get('authorization') ?? ''), expected)) {
      response.setHeader('www-authenticate', 'Bearer')
      throw new HttpError(401, 'unauthenticated', 'This is for the bearer of the metrics token.')
    }
    next()
  }
}
