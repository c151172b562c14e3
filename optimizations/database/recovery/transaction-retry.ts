import type { Clock } from '#optimizations/kernel/clock.ts'
import type { Random } from '#optimizations/kernel/random.ts'
import { sqlStateOf } from '../errors.ts'

/** serialization_failure and deadlock_detected: PostgreSQL rolled back and asks for the same again. */
const RETRIED_STATES = new Set(['40001', '40P01'])
const FIRST_DELAY_MS = 5
const LONGEST_DELAY_MS = 500

const DEFAULT_TRANSACTION_RETRIES = 10

export interface TransactionRetryDeps {
  readonly clock: Clock
  readonly random: Random
  readonly onRetry?: (error: unknown, attempt: number) => void
  /** Whether an error that is no SQLSTATE of its own leaves the transaction surely rolled back. */
  readonly isSurelyRolledBack?: (error: unknown) => boolean
}

/**
 * Runs `attempt` again as long as PostgreSQL rolled it back for the sake of others. The delay is drawn from the whole
 * of [0, base · 2ⁿ) ("full jitter", AWS Architecture Blog, 2015): those who collided must not meet again in step.
 */
export async function retryTransaction<T>(
  deps: TransactionRetryDeps,
  options: { readonly retries?: number; readonly signal?: AbortSignal },
  attempt: () => Promise<T>,
): Promise<T> {
  const retries = options.retries ?? DEFAULT_TRANSACTION_RETRIES
  for (let failures = 0; ; failures += 1) {
    try {
      return await attempt()
    } catch (error) {
      const state = sqlStateOf(error)
      const again = (state !== undefined && RETRIED_STATES.has(state)) || deps.isSurelyRolledBack?.(error) === true
      if (!again || failures >= retries || options.signal?.aborted === true) throw error
      deps.onRetry?.(error, failures + 1)
      const delayMs = deps.random() * Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** failures)
      await deps.clock.sleep(delayMs, options.signal)
    }
  }
}
