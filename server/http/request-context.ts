import { randomUUID } from 'node:crypto'
import type { Request, RequestHandler, Response } from 'express'
import { AppError } from '#optimizations/kernel/errors.ts'
import type { Role } from '#server/entities/user.ts'
import { HttpError, problemOf, sendProblem } from './problem.ts'

/** Who asks, as the access token says. */
export interface Principal {
  readonly id: string
  readonly role: Role
}

/** What belongs to one request and travels with it through the layers. */
export interface RequestContext {
  readonly requestId: string
  /** Aborted when the client goes away before the reply is complete, or when the request's time is over. */
  readonly signal: AbortSignal
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

/**
 * First of all handlers: gives the request its id and its AbortSignal, and answers 503 when its time is over, whether
 * or not its handler heeds the signal.
 */
export function createRequestContext(requestTimeoutMs: number): RequestHandler {
  return (request, response, next) => {
    const ending = new AbortController()
    const requestId = requestIdOf(request)
    const timer = setTimeout(() => {
      const error = new HttpError(503, 'request_timeout', `The request took longer than ${requestTimeoutMs} ms.`)
      ending.abort(error)
      if (response.headersSent) return
      // What is still to come of the body will not be read: the connection is of no use any more.
      if (!request.complete) response.setHeader('connection', 'close')
      sendProblem(response, problemOf(error, requestId))
    }, requestTimeoutMs)
    response.once('close', () => {
      clearTimeout(timer)
      if (!response.writableFinished) ending.abort(new ClientGoneError())
    })
    response.setHeader('x-request-id', requestId)
    contexts.set(response, { requestId, signal: ending.signal })
    next()
  }
}
