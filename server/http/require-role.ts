import type { RequestHandler } from 'express'
import type { Role } from '#server/entities/user.ts'
import { principalOf } from './access-token.ts'
import { HttpError } from './problem.ts'

/** Lets only this role pass. Behind `authenticate`. */
export function requireRole(role: Role): RequestHandler {
  return (_request, response, next) => {
    if (principalOf(response).role !== role) throw new HttpError(403, 'forbidden', `This is for the role ${role} only.`)
    next()
  }
}
