import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { Request, RequestHandler, Response } from 'express'
import { AppError } from '#optimizations/kernel/errors.ts'
import { CurrentRequest, type RequestScope } from '#optimizations/manager/current-request.ts'
import { beforeHead } from './before-head.ts'
import { problemDetails } from './problem-details.ts'
import { RequestError } from './request-error.ts'
import { RequestTimer } from './request-timer.ts'
import { sendProblemDetails } from './send-problem-details.ts'

/** What belongs to one request and travels with it through the layers, down to its statements. */
export type RequestContext = Required<RequestScope>

export interface RequestContextOptions {
  /** How long a request may take, from its head to its reply. */
  readonly timeoutMs: number
  /** The one that `startOptimizations` was given: what is asked of cache and database carries id, signal and deadline. */
  readonly currentRequest?: CurrentRequest
  /**
   * Answers at once a request that is given up, because its time is over or the process stops; its handler goes on, and
   * its error handlers have to drop what fails then. By default the reply is a problem (RFC 9457), and the connection ends.
   */
  readonly answer?: (response: Response, error: RequestError) => void
}

/** Why a signal was aborted when nobody waits for the reply any more. */
export class ClientGoneError extends AppError<'client_gone'> {
  constructor() {
    super('client_gone', 'The client closed the connection')
  }
}

// An id from outside goes into logs and headers, so it is taken only in a harmless form.
const ACCEPTED_ID = /^[\w.-]{8,64}$/

const contexts = new WeakMap<Response, RequestContext>()

interface Ending {
  end(error: RequestError): void
  expire(): void
}

const endings = new WeakMap<ServerResponse, Ending>()

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

/** Whether nobody waits for an answer, or it has been given: what fails then is the consequence of it. */
export function isOver(response: Response): boolean {
  return response.writableEnded || contextOf(response).signal.reason instanceof ClientGoneError
}

/** Gives up a request that is not answered yet, whether or not its handler heeds its signal: the reply is `error`. */
export function endRequest(response: ServerResponse, error: RequestError): void {
  const ending = endings.get(response)
  if (ending === undefined) response.destroy()
  else ending.end(error)
}

/** Gives up a request whose time is over, also when its timer has not noticed yet: a statement's time limit may be first. */
export function expireRequest(response: Response): void {
  const { signal, deadlineAt } = contextOf(response)
  if (!signal.aborted && Date.now() >= deadlineAt) endings.get(response)?.expire()
}

/** Somebody reads the body and it is not whole: then it is the client that takes its time (RFC 9110, 15.5.9). */
function timeoutError(request: Request, timeoutMs: number): RequestError {
  if (!request.complete && request.readableFlowing === true) {
    return new RequestError(408, 'request_timeout', `The body did not arrive within ${timeoutMs} ms.`)
  }
  return new RequestError(503, 'request_timeout', `The request took longer than ${timeoutMs} ms.`)
}

function answerWithProblem(response: Response, { status, code, message }: RequestError): void {
  // Express destroys the connection of a request that fails after its reply: no other may be on it.
  response.setHeader('connection', 'close')
  sendProblemDetails(response, problemDetails({ status, code, detail: message }, contextOf(response).requestId))
}

/**
 * Before every other handler: gives the request its id, its deadline and its AbortSignal (aborted when the client goes
 * away before the reply is complete, or when the request's time is over), makes them known to everything that is done
 * for it, and gives the reply its `Server-Timing`. Answers when the time is over: 408 where the body has not come, 503
 * otherwise.
 */
export function createRequestContext(options: RequestContextOptions): RequestHandler {
  const { timeoutMs, currentRequest = new CurrentRequest(), answer = answerWithProblem } = options
  return (request, response, next) => {
    const timer = new RequestTimer()
    const ending = new AbortController()
    const requestId = requestIdOf(request)
    const end = (error: RequestError): void => {
      ending.abort(error)
      if (response.headersSent) return
      // What is still to come of the body will not be read: the connection is of no use any more.
      if (!request.complete) response.setHeader('connection', 'close')
      answer(response, error)
    }
    const expire = (): void => end(timeoutError(request, timeoutMs))
    const timeout = setTimeout(expire, timeoutMs)
    response.once('close', () => {
      clearTimeout(timeout)
      if (!response.writableFinished) ending.abort(new ClientGoneError())
    })
    response.setHeader('x-request-id', requestId)
    beforeHead(response, () => response.setHeader('server-timing', timer.toString()))
    const context = { requestId, signal: ending.signal, deadlineAt: Date.now() + timeoutMs, timer }
    contexts.set(response, context)
    endings.set(response, { end, expire })
    currentRequest.run(context, next)
  }
}
