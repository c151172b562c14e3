import type { ErrorRequestHandler } from 'express'
import { isOver } from './request-context.ts'

/**
 * Before all other error handlers: drops what fails when the request has its reply, or its client has gone. A handler
 * that learns late that its time is over fails so.
 */
export const ignoreLateErrors: ErrorRequestHandler = (error: unknown, _request, response, next) => {
  if (!isOver(response)) next(error)
}
