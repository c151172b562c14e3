import type { Clock } from '#optimizations/kernel/clock.ts'
import { CacheError } from './cache-error.ts'
import type { CacheStore, StoreOperation } from './cache-store.ts'
import { CircuitBreaker } from './circuit-breaker.ts'
import type { StatisticsRecorder } from './statistics-recorder.ts'

export interface GuardOptions {
  /** Operations under way at once; more are refused instead of queued behind a store that does not keep up. */
  readonly maxInFlight: number
  /** Failures in a row that open the breaker. */
  readonly failureThreshold: number
}

/**
 * Stands before the store: refuses at once while it is cut off or has too much to do, counts every failure, and takes
 * the time of every operation. What it refuses, its callers do without.
 */
export class GuardedStore {
  readonly breaker: CircuitBreaker
  readonly #store: CacheStore
  readonly #statistics: StatisticsRecorder
  readonly #clock: Clock
  readonly #maxInFlight: number
  #inFlight = 0

  constructor(
    deps: { readonly store: CacheStore; readonly statistics: StatisticsRecorder; readonly clock: Clock },
    options: GuardOptions,
  ) {
    this.#store = deps.store
    this.#statistics = deps.statistics
    this.#clock = deps.clock
    this.#maxInFlight = options.maxInFlight
    this.breaker = new CircuitBreaker(options.failureThreshold)
  }

  get inFlight(): number {
    return this.#inFlight
  }

  async run<T>(operation: StoreOperation, work: (store: CacheStore) => Promise<T>): Promise<T> {
    if (!this.breaker.isClosed) throw this.#refusal('The store is cut off')
    if (this.#inFlight >= this.#maxInFlight) throw this.#refusal('Too many operations are under way')
    this.#inFlight += 1
    const begun = this.#clock.monotonic()
    try {
      const result = await work(this.#store)
      this.breaker.succeeded()
      return result
    } catch (error) {
      this.breaker.failed()
      this.#statistics.failed(operation, error)
      throw error
    } finally {
      this.#inFlight -= 1
      this.#statistics.timed(operation, this.#clock.monotonic() - begun)
    }
  }

  #refusal(message: string): CacheError {
    this.#statistics.counts.refused += 1
    return new CacheError('cache_unavailable', message, { retryable: true })
  }
}
