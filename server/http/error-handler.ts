import type { ErrorRequestHandler, RequestHandler } from 'express'
import type { Logger } from 'pino'
import { HttpError, problemOf, sendProblem } from './problem.ts'
import { ClientGoneError, contextOf } from './request-context.ts'

const LONGEST_PATH = 200

/** After all routes: what nobody answers is not there. */
export const refuseUnknownRoute: RequestHandler = (request) => {
  const { path } = request
  const shown = path.length <= LONGEST_PATH ? path : `${path.slice(0, LONGEST_PATH)}…`
  throw new HttpError(404, 'not_found', `There is nothing at ${shown}.`)
}

/** Last of all handlers: every error leaves as problem+json, and those that are ours are logged. */
export function createErrorHandler(logger: Logger): ErrorRequestHandler {
  return (error: unknown, _request, response, next) => {
    const { requestId, signal } = contextOf(response)
    // Nobody waits for an answer, or it has been given: what fails after that is the consequence of it.
    if (signal.reason instanceof ClientGoneError || response.writableEnded) return
    const problem = problemOf(error, requestId)
    if (problem.status >= 500) logger.error({ err: error, requestId }, 'request failed')
    // A reply that has begun cannot become a problem any more: Express ends the connection.
    if (response.headersSent) {
      next(error)
      return
    }
    sendProblem(response, problem)
  }
}
