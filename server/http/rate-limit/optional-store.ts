import type { Clock } from '#optimizations/kernel/clock.ts'

export interface OptionalStoreDeps {
  readonly clock: Pick<Clock, 'monotonic'>
  /** Told once for each pause. */
  readonly onError: (error: unknown) => void
}

/** After a failure the store is left alone for so long: nobody waits for its timeout again and again. */
const PAUSE_MS = 1_000

/** A store that can be done without. */
export class OptionalStore {
  readonly #deps: OptionalStoreDeps
  #pausedUntil = Number.NEGATIVE_INFINITY

  constructor(deps: OptionalStoreDeps) {
    this.#deps = deps
  }

  /** What `ask` answers; undefined when it fails, or when the store has failed a moment ago. Never rejects. */
  async ask<Answer>(ask: () => Promise<Answer>): Promise<Answer | undefined> {
    if (this.#isPaused) return undefined
    try {
      return await ask()
    } catch (error) {
      if (!this.#isPaused) this.#deps.onError(error)
      this.#pausedUntil = this.#deps.clock.monotonic() + PAUSE_MS
      return undefined
    }
  }

  get #isPaused(): boolean {
    return this.#pausedUntil > this.#deps.clock.monotonic()
  }
}
