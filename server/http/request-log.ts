import type { RequestHandler, Response } from 'express'
import type { Logger } from 'pino'
import { pinoHttp } from 'pino-http'
import { contextOf } from '#optimizations/express/request-context.ts'

const outcomeOf = (response: { writableFinished: boolean }): string =>
  response.writableFinished ? 'request completed' : 'request aborted'

/** One line for each request, without headers and bodies: those hold tokens and passwords. */
export function createRequestLog(logger: Logger): RequestHandler {
  return pinoHttp({
    logger,
    genReqId: (_request, response) => contextOf(response as Response).requestId,
    customLogLevel: (_request, response, error) => {
      if (error !== undefined || response.statusCode >= 500) return 'error'
      return response.statusCode >= 400 ? 'warn' : 'info'
    },
    customSuccessMessage: (_request, response) => outcomeOf(response),
    customErrorMessage: (_request, response) => outcomeOf(response),
    // The error itself stands in the line of the error handler, under the same request id.
    customErrorObject: (_request, _response, _error, { err: _left, ...rest }: Record<string, unknown>) => rest,
    serializers: {
      req: (request: { id: string; method: string; url: string }) => ({
        id: request.id,
        method: request.method,
        // Only the path: a query may hold what belongs in no log.
        path: request.url.split('?', 1)[0],
      }),
      res: (response: { statusCode: number }) => ({ status: response.statusCode }),
    },
  }) as RequestHandler
}
