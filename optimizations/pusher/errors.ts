import { AppError } from '#optimizations/kernel/errors.ts'

/**
 * invalid_event: a name, a socket id or the data cannot be sent at all. event_too_large: over the size or channel limit.
 * missing_master_key: the app has none, and the channel is an encrypted one. queue_full, stopped: not accepted now. denied: the policy says no. invalid_request: an authorization or webhook that
 * no honest client sends. pusher_rejected: Pusher answered with an error. pusher_unreachable: it did not answer.
 */
export type PusherErrorCode =
  | 'invalid_event'
  | 'event_too_large'
  | 'missing_master_key'
  | 'queue_full'
  | 'stopped'
  | 'denied'
  | 'invalid_request'
  | 'pusher_rejected'
  | 'pusher_unreachable'

const RETRYABLE: ReadonlySet<PusherErrorCode> = new Set(['queue_full', 'pusher_unreachable'])

/** Every error that the publisher raises on purpose. `details` names channel, event and sizes, never data or secrets. */
export class PusherError extends AppError<PusherErrorCode> {
  constructor(
    code: PusherErrorCode,
    message: string,
    details: Readonly<Record<string, unknown>> = {},
    cause?: unknown,
  ) {
    super(code, message, { retryable: RETRYABLE.has(code), details, cause })
  }
}
