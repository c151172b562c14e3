import { LRUCache } from 'lru-cache'
import type { Random } from '#optimizations/kernel/random.ts'
import type { CacheKey } from './cache-key.ts'

interface Failure {
  readonly error: unknown
  readonly until: number
  readonly count: number
}

export interface BackoffOptions {
  /** After the first failure; doubled with each further one. 0 turns it off. */
  readonly firstMs: number
  readonly maxMs: number
}

const MAX_FAILURES_KEPT = 10_000

/** Remembers which loads have just failed, so that a source in trouble is not asked again by every caller. */
export class FailureBackoff {
  readonly #failures = new LRUCache<CacheKey, Failure>({ max: MAX_FAILURES_KEPT })
  readonly #random: Random
  readonly #options: BackoffOptions

  constructor(random: Random, options: BackoffOptions) {
    this.#random = random
    this.#options = options
  }

  /** The last failure of the key, while it is too early to try again. */
  blocking(key: CacheKey, now: number): { readonly error: unknown } | undefined {
    const failure = this.#failures.get(key)
    return failure !== undefined && now < failure.until ? failure : undefined
  }

  failed(key: CacheKey, error: unknown, now: number): void {
    const count = (this.#failures.get(key)?.count ?? 0) + 1
    const fullMs = Math.min(this.#options.firstMs * 2 ** (count - 1), this.#options.maxMs)
    this.#failures.set(key, { error, count, until: now + fullMs * (0.5 + this.#random() / 2) })
  }

  forget(key: CacheKey): void {
    this.#failures.delete(key)
  }
}
