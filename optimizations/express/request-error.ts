import { AppError } from '#optimizations/kernel/errors.ts'

export type RequestErrorCode =
  | 'bad_request'
  | 'body_too_large'
  | 'headers_too_large'
  | 'method_not_allowed'
  | 'rate_limited'
  | 'request_timeout'
  | 'shutting_down'

/**
 * An error that HTTP itself has a status for. It carries it under the names by which Express's own error handler, and
 * those of applications, find it: whoever knows none of the codes still answers rightly.
 */
export class RequestError<Code extends string = RequestErrorCode> extends AppError<Code> {
  readonly status: number
  readonly statusCode: number

  constructor(status: number, code: Code, message: string) {
    super(code, message)
    this.status = status
    this.statusCode = status
  }
}
