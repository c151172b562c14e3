/** What an error carries besides its message. `details` may be shown to a client, so it holds no secret. */
export interface AppErrorOptions {
  readonly retryable?: boolean
  readonly details?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

/**
 * The one base of every error that Hotpath raises on purpose. Each module narrows `Code` to the codes it lists.
 * Statuses live where HTTP is spoken: a code says what went wrong, not how it is spoken of over HTTP.
 */
export class AppError<Code extends string = string> extends Error {
  readonly code: Code
  /** Whether the same call may succeed later without a change by the caller. */
  readonly retryable: boolean
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: Code, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = new.target.name
    this.code = code
    this.retryable = options.retryable ?? false
    this.details = options.details ?? {}
  }
}

/** The message of anything that was thrown, with the messages of its causes: what a log line or an error list shows. */
export function describeError(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0 && error.message === '') {
    return error.errors.map(describeError).join('; ')
  }
  if (!(error instanceof Error)) return String(error)
  const own = error.message === '' ? error.name : error.message
  return error.cause === undefined ? own : `${own}: ${describeError(error.cause)}`
}
