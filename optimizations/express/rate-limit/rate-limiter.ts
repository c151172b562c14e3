import { LRUCache } from 'lru-cache'
import { systemClock, type Clock } from '#optimizations/kernel/clock.ts'
import type { Bucket, TokenStore } from './token-store.ts'

export interface RateLimiterDeps {
  readonly store: TokenStore
  /** Told once for each outage of the store. */
  readonly onError: (error: unknown) => void
  readonly clock?: Pick<Clock, 'monotonic'>
}

export interface RateLimiterOptions extends Bucket {
  /** Names the limit in the store and in statistics. */
  readonly name: string
}

export type Decision = { readonly isAllowed: true } | { readonly isAllowed: false; readonly retryAfterMs: number }

export interface RateLimiterStatistics {
  readonly allowed: number
  readonly refused: number
  /** Of those allowed, how many were because the store could not be asked. */
  readonly failedOpen: number
}

/** Tokens are fetched in portions of this share of the burst, so that most requests ask nobody. */
const PORTION_SHARE = 0.01
/** What was fetched and not used by then is forfeited: the limit is kept, at the cost of a portion for each process. */
const PORTION_VALID_MS = 1_000
/** After a failure the store is left alone for so long. */
const PAUSE_MS = 1_000
const MAX_KEYS = 10_000

interface Portion {
  tokens: number
  validUntil: number
  refusedUntil: number
  waiting: number
  fetching: Promise<void> | undefined
}

const ALLOWED: Decision = { isAllowed: true }

/**
 * One limit for all processes, at a cost that follows the limit and not the load: each process takes tokens from the
 * shared bucket in portions, and remembers refusals. Without the store it lets everything pass, and counts it.
 */
export class RateLimiter {
  readonly #deps: Required<RateLimiterDeps>
  readonly #options: RateLimiterOptions
  readonly #portionSize: number
  readonly #portions = new LRUCache<string, Portion>({ max: MAX_KEYS })
  readonly #counts = { allowed: 0, refused: 0, failedOpen: 0 }
  #pausedUntil = Number.NEGATIVE_INFINITY

  constructor(deps: RateLimiterDeps, options: RateLimiterOptions) {
    this.#deps = { clock: systemClock, ...deps }
    this.#options = options
    this.#portionSize = Math.max(1, Math.floor(options.burst * PORTION_SHARE))
  }

  get name(): string {
    return this.#options.name
  }

  /** Takes one token of whoever `key` names. Never rejects. */
  async take(key: string): Promise<Decision> {
    const portion = this.#portionOf(key)
    for (;;) {
      const now = this.#deps.clock.monotonic()
      if (portion.refusedUntil > now) {
        this.#counts.refused += 1
        return { isAllowed: false, retryAfterMs: portion.refusedUntil - now }
      }
      if (portion.tokens > 0 && portion.validUntil > now) {
        portion.tokens -= 1
        this.#counts.allowed += 1
        return ALLOWED
      }
      if (this.#pausedUntil > now) {
        this.#counts.allowed += 1
        this.#counts.failedOpen += 1
        return ALLOWED
      }
      // One asks for all that wait.
      portion.waiting += 1
      portion.fetching ??= this.#fetch(key, portion).finally(() => (portion.fetching = undefined))
      await portion.fetching
      portion.waiting -= 1
    }
  }

  statistics(): RateLimiterStatistics {
    return { ...this.#counts }
  }

  #portionOf(key: string): Portion {
    const known = this.#portions.get(key)
    if (known !== undefined) return known
    const portion = { tokens: 0, validUntil: 0, refusedUntil: 0, waiting: 0, fetching: undefined }
    this.#portions.set(key, portion)
    return portion
  }

  async #fetch(key: string, portion: Portion): Promise<void> {
    const { clock, store, onError } = this.#deps
    try {
      const tokens = Math.max(this.#portionSize, portion.waiting)
      const { granted, retryAfterMs } = await store.take(`${this.#options.name}:${key}`, tokens, this.#options)
      const now = clock.monotonic()
      portion.tokens = granted
      portion.validUntil = now + PORTION_VALID_MS
      if (granted === 0) portion.refusedUntil = now + retryAfterMs
    } catch (error) {
      this.#pausedUntil = clock.monotonic() + PAUSE_MS
      onError(error)
    }
  }
}
