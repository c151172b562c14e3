import { AppError, type AppErrorOptions } from '#optimizations/kernel/errors.ts'

export type CacheErrorCode =
  /** A caller's mistake: thrown at once, never counted as a fault of the cache. */
  | 'invalid_key'
  | 'invalid_option'
  /** The load did not settle within its hard time limit. */
  | 'load_timeout'
  /** The remote tier is cut off, overloaded, or did not answer in time. Reads never show it: they load instead. */
  | 'cache_unavailable'

export class CacheError extends AppError<CacheErrorCode> {
  constructor(code: CacheErrorCode, message: string, options: AppErrorOptions = {}) {
    super(code, message, options)
  }
}
