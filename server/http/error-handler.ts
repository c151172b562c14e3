import type { ErrorRequestHandler, RequestHandler, Response } from 'express'
import type { Logger } from 'pino'
import { contextOf, isOver } from '#optimizations/express/request-context.ts'
import type { RequestError } from '#optimizations/express/request-error.ts'
import { HttpError, problemOf, sendProblem } from './problem.ts'

const LONGEST_PATH = 200

/** After all routes: what nobody answers is not there. */
export const refuseUnknownRoute: RequestHandler = (request) => {
  const { path } = request
  const shown = path.length <= LONGEST_PATH ? path : `${path.slice(0, LONGEST_PATH)}…`
  throw new HttpError(404, 'not_found', `There is nothing at ${shown}.`)
}

/** The reply to a request that is given up, for the request context: no handler has failed, and nothing is logged. */
export function answerGivenUp(response: Response, error: RequestError): void {
  sendProblem(response, problemOf(error, contextOf(response).requestId))
}

/** Last of all handlers: every error leaves as problem+json, and those that are ours are logged. */
export function createErrorHandler(logger: Logger): ErrorRequestHandler {
  return (error: unknown, _request, response, next) => {
    if (isOver(response)) return
    const { requestId } = contextOf(response)
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
