import { AsyncLocalStorage } from 'node:async_hooks'
import { systemClock, type Clock } from './clock.ts'

/**
 * The owner of detached work: nothing is fire-and-forget. A test awaits `idle()` instead of sleeping, a shutdown
 * awaits it under a deadline, and a failure is counted and reported instead of being lost.
 */
export class BackgroundTasks {
  readonly #running = new Set<Promise<void>>()
  readonly #onError: (reason: string, error: unknown) => void
  readonly #clock: Clock
  /** Detached work belongs to no request: it runs in the async context of whoever made this, not of who asked for it. */
  readonly #detached = AsyncLocalStorage.snapshot()
  #failed = 0

  constructor(onError: (reason: string, error: unknown) => void, clock: Clock = systemClock) {
    this.#onError = onError
    this.#clock = clock
  }

  /** How many tasks ended in an error since the start. */
  get failed(): number {
    return this.#failed
  }

  get running(): number {
    return this.#running.size
  }

  /** Starts `work` now. `reason` names the kind of work for logs and counters. */
  run(reason: string, work: () => Promise<unknown>): void {
    const task = this.#detached(async () => {
      try {
        await work()
      } catch (error) {
        this.#failed += 1
        this.#onError(reason, error)
      }
    })
    this.#running.add(task)
    void task.finally(() => this.#running.delete(task))
  }

  /** Resolves when no task is running, those included that running tasks started. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  /** Waits for `idle()` for at most `deadlineMs`; answers how many tasks were still running then. */
  async drain(deadlineMs: number): Promise<number> {
    const stop = new AbortController()
    const late = this.#clock.sleep(deadlineMs, stop.signal).catch(() => undefined)
    await Promise.race([this.idle(), late])
    stop.abort()
    return this.#running.size
  }
}
