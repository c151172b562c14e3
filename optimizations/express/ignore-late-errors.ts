import type { ErrorRequestHandler } from 'express'
import { expireRequest, isOver } from './request-context.ts'

/**
 * Before all other error handlers: drops what fails when the request has its reply, or its client has gone. So fails a
 * handler whose time is over; where it notices before the request context does (a statement has the same deadline), the
 * request is answered as it is for any other handler.
 */
export const ignoreLateErrors: ErrorRequestHandler = (error: unknown, _request, response, next) => {
  expireRequest(response)
  if (!isOver(response)) next(error)
}
