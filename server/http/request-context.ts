import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { Request, RequestHandler, Response } from 'express'
import { AppError } from '#optimizations/kernel/errors.ts'
import type { CurrentRequest, RequestScope } from '#optimizations/manager/current-request.ts'
import type { Role } from '#server/entities/user.ts'
import { beforeHead } from './before-head.ts'
import { HttpError, problemOf, sendProblem } from './problem.ts'
import { RequestTimer } from './request-timer.ts'

/** Who asks, as the access token says. */
export interface Principal {
  readonly id: string
  readonly role: Role
}

/** What belongs to one request and travels with it through the layers, down to its statements. */
export type RequestContext = Required<RequestScope>

/** Why a signal was aborted when nobody waits for the reply any more. */
export class ClientGoneError extends AppError<'client_gone'> {
  constructor() {
    super('client_gone', 'The client closed the connection')
  }
}

// An id from outside goes into logs and headers, so it is taken only in a harmless form.
const ACCEPTED_ID = /^[\w.-]{8,64}$/

const contexts = new WeakMap<Response, RequestContext>()
const endings = new WeakMap<ServerResponse, (error: HttpError) => void>()

function requestIdOf(request: Request): string {
  const offered = request.get('x-request-id')
  return offered !== undefined && ACCEPTED_ID.test(offered) ? offered : randomUUID()
}

/** The context of the request that this response answers. */
export function contextOf(response: Response): RequestContext {
  const context = contexts.get(response)
  if (context === undefined) throw new Error('createRequestContext has to run before every other handler')
  return context
}

/** Gives up a request that is not answered yet, whether or not its handler heeds its signal: the reply is `error`. */
export function endRequest(response: ServerResponse, error: HttpError): void {
  const end = endings.get(response)
  if (end === undefined) response.destroy()
  else end(error)
}

/** Somebody reads the body and it is not whole: then it is the client that takes its time (RFC 9110, 15.5.9). */
function timeoutError(request: Request, requestTimeoutMs: number): HttpError {
  if (!request.complete && request.readableFlowing === true) {
    return new HttpError(408, 'request_timeout', `The body did not arrive within ${requestTimeoutMs} ms.`)
  }
  return new HttpError(503, 'request_timeout', `The request took longer than ${requestTimeoutMs} ms.`)
}

/**
 * Before every other handler: gives the request its id, its deadline and its AbortSignal (aborted when the client goes
 * away before the reply is complete, or when the request's time is over), makes them known to everything that is done
 * for it, and gives the reply its `Server-Timing`. Answers when the time is over: 408 where the body has not come, 503
 * otherwise.
 */
export function createRequestContext(requests: CurrentRequest, requestTimeoutMs: number): RequestHandler {
  return (request, response, next) => {
    const timer = new RequestTimer()
    const ending = new AbortController()
    const requestId = requestIdOf(request)
    const end = (error: HttpError): void => {
      ending.abort(error)
      if (response.headersSent) return
      // What is still to come of the body will not be read: the connection is of no use any more.
      if (!request.complete) response.setHeader('connection', 'close')
      sendProblem(response, problemOf(error, requestId))
    }
    const timeout = setTimeout(() => end(timeoutError(request, requestTimeoutMs)), requestTimeoutMs)
    response.once('close', () => {
      clearTimeout(timeout)
      if (!response.writableFinished) ending.abort(new ClientGoneError())
    })
    response.setHeader('x-request-id', requestId)
    beforeHead(response, () => response.setHeader('server-timing', timer.toString()))
    const context = { requestId, signal: ending.signal, deadlineAt: Date.now() + requestTimeoutMs, timer }
    contexts.set(response, context)
    endings.set(response, end)
    requests.run(context, next)
  }
}
