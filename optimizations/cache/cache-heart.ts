import type { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import type { Clock } from '#optimizations/kernel/clock.ts'
import type { CacheStore } from './cache-store.ts'
import type { CircuitBreaker } from './circuit-breaker.ts'
import type { Coherence } from './coherence.ts'
import type { Invalidator } from './invalidator.ts'

export interface CacheHeartDependencies {
  readonly coherence: Coherence
  readonly breaker: CircuitBreaker
  readonly invalidator: Invalidator
  readonly store: CacheStore
  readonly clock: Clock
  readonly tasks: BackgroundTasks
  readonly onError: (reason: string, error: unknown) => void
}

/**
 * The beat that everything regular hangs on: it renews the permission to serve from memory, finds out that the store
 * is gone before a caller has to, and finds out that it is back.
 */
export class CacheHeart {
  readonly #deps: CacheHeartDependencies
  readonly #intervalMs: number
  #timer: Disposable | undefined
  #isStopped = false
  /** An outage is reported when it begins, not at every beat of it. */
  #isReported = false

  constructor(deps: CacheHeartDependencies, options: { readonly intervalMs: number }) {
    this.#deps = deps
    this.#intervalMs = options.intervalMs
  }

  /** Resolves after the first beat, whatever it found. */
  async start(): Promise<void> {
    await this.#beat()
    this.#schedule()
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.[Symbol.dispose]()
  }

  #schedule(): void {
    if (this.#isStopped) return
    this.#timer = this.#deps.clock.schedule(this.#intervalMs, () => {
      this.#deps.tasks.run('heartbeat', async () => {
        await this.#beat()
        this.#schedule()
      })
    })
  }

  async #beat(): Promise<void> {
    const { breaker, coherence, invalidator, store } = this.#deps
    try {
      await coherence.renew().catch(async (error: unknown) => {
        // Without announcements memory is not served; without an answer to this the store is not used either.
        await store.ping().catch(() => breaker.trip())
        throw error
      })
      if (!breaker.isClosed) {
        await breaker.probe(async () => {
          await store.ping()
          await invalidator.pay(store)
        })
      }
      this.#isReported = false
    } catch (error) {
      if (!this.#isReported) this.#deps.onError('redis', error)
      this.#isReported = true
    }
  }
}
