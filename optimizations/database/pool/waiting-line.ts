import type { Clock } from '#optimizations/kernel/clock.ts'
import { DatabaseError } from '../errors.ts'

export interface Waiter<T> {
  readonly resolve: (value: T) => void
  readonly reject: (error: unknown) => void
}

/** First come, first served; each with a deadline and a signal of its own. */
export class WaitingLine<T> {
  readonly #clock: Clock
  readonly #onTimeout: () => void
  readonly #waiters = new Set<Waiter<T>>()

  constructor(clock: Clock, onTimeout: () => void) {
    this.#clock = clock
    this.#onTimeout = onTimeout
  }

  get length(): number {
    return this.#waiters.size
  }

  async join(timeoutMs: number, signal: AbortSignal | undefined): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const waiter: Waiter<T> = { resolve, reject }
    const leave = (error: unknown): void => {
      if (this.#waiters.delete(waiter)) reject(error)
    }
    const onAbort = (): void => leave(signal?.reason)
    const late = this.#clock.schedule(timeoutMs, () => {
      this.#onTimeout()
      leave(
        new DatabaseError('pool_acquire_timeout', `No database connection became free within ${timeoutMs} ms`, {
          retryable: true,
          details: { timeoutMs },
        }),
      )
    })
    this.#waiters.add(waiter)
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      return await promise
    } finally {
      late[Symbol.dispose]()
      signal?.removeEventListener('abort', onAbort)
    }
  }

  shift(): Waiter<T> | undefined {
    for (const waiter of this.#waiters) {
      this.#waiters.delete(waiter)
      return waiter
    }
    return undefined
  }

  rejectAll(error: unknown): void {
    for (const waiter of this.#waiters) waiter.reject(error)
    this.#waiters.clear()
  }
}
