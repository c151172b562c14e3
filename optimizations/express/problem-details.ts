import { STATUS_CODES } from 'node:http'

/** Problem Details for HTTP APIs (RFC 9457), with the request id and a stable code beside the standard members. */
export interface ProblemDetails {
  readonly type: 'about:blank'
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: string
  readonly requestId: string
  readonly errors?: readonly { readonly path: string; readonly message: string }[]
}

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8'

/** How long a client should wait after a 503 before it comes back: outages are over in a moment or last. */
export const RETRY_AFTER_SEC = 1

export interface Fault {
  readonly status: number
  readonly code: string
  readonly detail: string
  readonly errors?: ProblemDetails['errors'] | undefined
}

export function problemDetails({ status, code, detail, errors }: Fault, requestId: string): ProblemDetails {
  return {
    type: 'about:blank',
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail,
    code,
    requestId,
    ...(errors === undefined ? {} : { errors }),
  }
}
