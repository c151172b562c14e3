import { AppError } from '#optimizations/kernel/errors.ts'

/** Every code that this module raises on purpose. Errors of SQL itself stay MikroORM's and carry their SQLSTATE. */
export type DatabaseErrorCode =
  | 'database_unreachable'
  | 'database_stopped'
  | 'database_breaker_open'
  | 'pool_acquire_timeout'
  | 'pool_connect_timeout'
  | 'pool_queue_full'
  | 'commit_in_doubt'
  | 'statement_unknown'
  | 'statement_taken'
  | 'parameter_invalid'
  | 'result_uncacheable'
  | 'outbox_outside_transaction'
  | 'outbox_missing'
  | 'invalid_option'

export class DatabaseError extends AppError<DatabaseErrorCode> {}

/**
 * The SQLSTATE of a PostgreSQL error, through whatever wraps it; undefined where there is none.
 * Every SQLSTATE holds a digit, which tells it from the likes of EPIPE.
 */
export function sqlStateOf(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; depth += 1) {
    const code: unknown = Reflect.get(at, 'code')
    if (typeof code === 'string' && /^(?=.*\d)[0-9A-Z]{5}$/.test(code)) return code
    at = Reflect.get(at, 'previous') ?? at.cause
  }
  return undefined
}

/** Not all of class 08: 08P01, a protocol violation, is about the message and would come again. */
const LOSS_CODES = new Set(
  'ECONNRESET EPIPE ECONNREFUSED ETIMEDOUT ENOTCONN 08000 08001 08003 08004 08006 57P01 57P02 57P03'.split(' '),
)
/** What `pg` says without a code. */
const LOSS_MESSAGE =
  /^(Connection terminated|Client (has encountered a connection error|was closed)|This socket has been ended)/

/** Whether the connection went, rather than the statement failed: another connection may well succeed. */
export function isConnectionLoss(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; depth += 1) {
    const code: unknown = Reflect.get(at, 'code')
    if (typeof code === 'string' && LOSS_CODES.has(code)) return true
    if (LOSS_MESSAGE.test(at.message)) return true
    at = Reflect.get(at, 'previous') ?? at.cause
  }
  return false
}
