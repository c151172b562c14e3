import { LRUCache } from 'lru-cache'
import type { Clock } from '#optimizations/kernel/clock.ts'
import type { Decision, RateLimiterOptions } from '#optimizations/express/rate-limit/rate-limiter.ts'
import type { TokenStore } from '#optimizations/express/rate-limit/token-store.ts'

export interface AttemptLimiterStatistics {
  readonly allowed: number
  readonly refused: number
  /** Of both, how many this process decided alone because the shared store could not be asked. */
  readonly decidedAlone: number
}

const MAX_KEYS = 10_000
/** A refusal is remembered for no longer: another process may have given tokens back. */
const REMEMBER_MS = 1_000

/**
 * Limits attempts that fail. Each takes a token beforehand, and gives it back when it was none. One at a time, other
 * than RateLimiter, which takes portions: what is limited here is rare and slow, and the limits are small.
 */
export class AttemptLimiter {
  readonly #store: TokenStore
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #options: RateLimiterOptions
  readonly #refusals = new LRUCache<string, { readonly until: number; readonly forgetAt: number }>({ max: MAX_KEYS })
  readonly #counts = { allowed: 0, refused: 0, decidedAlone: 0 }

  constructor(
    deps: { readonly store: TokenStore; readonly clock: Pick<Clock, 'monotonic'> },
    options: RateLimiterOptions,
  ) {
    this.#store = deps.store
    this.#clock = deps.clock
    this.#options = options
  }

  get name(): string {
    return this.#options.name
  }

  async take(key: string): Promise<Decision> {
    const now = this.#clock.monotonic()
    const remembered = this.#refusals.get(key)
    if (remembered !== undefined && Math.min(remembered.until, remembered.forgetAt) > now) {
      return this.#refuse(remembered.until - now)
    }
    const { granted, retryAfterMs, isAlone = false } = await this.#store.take(this.#keyOf(key), 1, this.#options)
    if (isAlone) this.#counts.decidedAlone += 1
    if (granted > 0) {
      this.#counts.allowed += 1
      return { isAllowed: true }
    }
    const refusedAt = this.#clock.monotonic()
    this.#refusals.set(key, { until: refusedAt + retryAfterMs, forgetAt: refusedAt + REMEMBER_MS })
    return this.#refuse(retryAfterMs)
  }

  /** For an attempt that was allowed and did not fail. */
  async giveBack(key: string): Promise<void> {
    this.#refusals.delete(key)
    await this.#store.giveBack(this.#keyOf(key), 1, this.#options)
  }

  statistics(): AttemptLimiterStatistics {
    return { ...this.#counts }
  }

  #keyOf(key: string): string {
    return `${this.#options.name}:${key}`
  }

  #refuse(retryAfterMs: number): Decision {
    this.#counts.refused += 1
    return { isAllowed: false, retryAfterMs }
  }
}
