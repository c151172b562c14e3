import type { Response } from 'express'
import { isConnectionLoss, sqlStateOf } from '#optimizations/database/errors.ts'
import { problemDetails, type ProblemDetails } from '#optimizations/express/problem-details.ts'
import { RequestError } from '#optimizations/express/request-error.ts'
import { sendProblemDetails } from '#optimizations/express/send-problem-details.ts'
import { AppError } from '#optimizations/kernel/errors.ts'

/** An error that HTTP itself has a status for: raised in `server/http` and `server/routes` only. */
export class HttpError extends RequestError<string> {
  readonly errors: ProblemDetails['errors']

  constructor(status: number, code: string, message: string, errors?: ProblemDetails['errors']) {
    super(status, code, message)
    this.errors = errors
  }
}

/** Statuses of the codes that services and optimizations raise. A code that is not here is a fault of ours: 500. */
const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  invalid_credentials: 401,
  sign_in_busy: 503,
  sign_in_failed: 503,
  forbidden: 403,
  denied: 403,
  invalid_request: 400,
  not_found: 404,
  conflict: 409,
  key_reused: 422,
  invalid_event: 400,
  event_too_large: 413,
  too_many_events: 429,
  deadline_exceeded: 503,
  pool_acquire_timeout: 503,
  pool_connect_timeout: 503,
  pool_queue_full: 503,
  database_unreachable: 503,
  database_breaker_open: 503,
  database_stopped: 503,
  queue_full: 503,
  pusher_unreachable: 503,
}

/** SQLSTATEs by which PostgreSQL says "not now": out of resources (class 53), shutting down, in the way of others (class 40). */
const NOT_NOW = /^(53...|57P0[123]|40001|40P01|55P03)$/
/** The request's time is the time limit of its statements too: the server may notice first that it is over. */
const OUT_OF_TIME = '57014'

/** Errors of the database that will pass: the same request may succeed in a moment. */
function isOutage(error: unknown): boolean {
  return isConnectionLoss(error) || NOT_NOW.test(sqlStateOf(error) ?? '')
}

/** What a request for a part of a file, or for a file in a certain state, may meet (RFC 9110, 15.5.13 and 15.5.17). */
const FILE_FAULTS: Readonly<Record<number, { readonly code: string; readonly detail: string }>> = {
  412: { code: 'precondition_failed', detail: 'The file is not in the state that the request asks for.' },
  416: { code: 'range_not_satisfiable', detail: 'The file has no such part.' },
}

/** Errors of Express and its body parsers carry a status of their own; only what tells the client of its fault is passed on. */
function clientFault(error: unknown): { status: number; code: string; detail: string } | undefined {
  if (!(error instanceof Error) || !('status' in error) || typeof error.status !== 'number') return undefined
  if (error.status < 400 || error.status >= 500) return undefined
  const type = 'type' in error && typeof error.type === 'string' ? error.type : ''
  switch (type) {
    case 'entity.too.large': {
      const limit = 'limit' in error && typeof error.limit === 'number' ? ` of ${error.limit} bytes` : ''
      return { status: 413, code: 'body_too_large', detail: `The body is over the limit${limit}.` }
    }
    case 'encoding.unsupported':
    case 'charset.unsupported':
      return { status: 415, code: 'unsupported_media_type', detail: 'The encoding of the body is not supported.' }
    default: {
      const unread = { code: 'bad_request', detail: 'The request could not be read.' }
      return { status: error.status, ...(FILE_FAULTS[error.status] ?? unread) }
    }
  }
}

/** The problem that an error is to its client. Nothing of an unknown error is shown: it may hold anything. */
export function problemOf(error: unknown, requestId: string): ProblemDetails {
  const build = (status: number, code: string, detail: string, errors?: ProblemDetails['errors']): ProblemDetails =>
    problemDetails({ status, code, detail, errors }, requestId)
  if (error instanceof RequestError) {
    return build(error.status, error.code, error.message, error instanceof HttpError ? error.errors : undefined)
  }
  if (error instanceof AppError) {
    const status = STATUS_OF_CODE[error.code]
    if (status !== undefined) return build(status, error.code, error.message)
  }
  if (sqlStateOf(error) === OUT_OF_TIME) {
    return build(503, 'deadline_exceeded', 'The database took longer than the request may wait.')
  }
  if (isOutage(error)) return build(503, 'database_unavailable', 'The database cannot be reached right now.')
  const fault = clientFault(error)
  if (fault !== undefined) return build(fault.status, fault.code, fault.detail)
  return build(500, 'internal_error', 'Something went wrong on our side. The request id finds it in the log.')
}

export function sendProblem(response: Response, problem: ProblemDetails): void {
  // A 401 names a way to say who one is (RFC 9110, 15.5.2); this is the one that there is.
  if (problem.status === 401) response.setHeader('www-authenticate', 'Bearer')
  sendProblemDetails(response, problem)
}
