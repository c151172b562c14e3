import { randomUUID } from 'node:crypto'
import type { Request, RequestHandler, Response } from 'express'
import type { Role } from '#server/entities/user.ts'

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

/** First of all handlers: gives the request its id and its AbortSignal. */
export function createRequestContext(requestTimeoutMs: number): RequestHandler {
  return (request, response, next) => {
    const gone = new AbortController()
    response.once('close', () => {
      if (!response.writableFinished) gone.abort(new Error('the client closed the connection'))
    })
    const requestId = requestIdOf(request)
    response.setHeader('x-request-id', requestId)
    contexts.set(response, { requestId, signal: AbortSignal.any([gone.signal, AbortSignal.timeout(requestTimeoutMs)]) })
    next()
  }
}
