import type { Clock } from '#optimizations/kernel/clock.ts'

const MAX_HELD = 1_000
const HOLD_MS = 1_000

/**
 * Answers refusals late: a client that asks again without a pause would otherwise keep the process busy with refusals.
 * At most so many wait at once; what is more is answered right away, because each that waits holds memory.
 */
export class HeldRefusals {
  readonly #clock: Pick<Clock, 'sleep'>
  readonly #maxHeld: number
  #held = 0

  constructor(clock: Pick<Clock, 'sleep'>, maxHeld = MAX_HELD) {
    this.#clock = clock
    this.#maxHeld = maxHeld
  }

  /** Resolves when the refusal may be answered, and at once when nobody waits for it any more. */
  async hold(signal: AbortSignal): Promise<void> {
    if (this.#held >= this.#maxHeld) return
    this.#held += 1
    try {
      await this.#clock.sleep(HOLD_MS, signal).catch(() => undefined)
    } finally {
      this.#held -= 1
    }
  }
}
