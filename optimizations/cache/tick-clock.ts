import type { Clock } from '#optimizations/kernel/clock.ts'

/** A turn that never ends (a loop of awaits on hits) still sees time pass, this many readings late. */
const READINGS_PER_TURN = 256

/**
 * Monotonic milliseconds, read from the system once per turn of the event loop: a reading costs as much as a whole hit.
 *
 * Within a turn nothing arrives from outside, so no read in it can have been caused by anything that happened after
 * the turn's reading. To decide whether memory may still be served, the reading is as good as a new one.
 */
export class TickClock {
  readonly #clock: Clock
  readonly #endTurn = (): void => {
    this.#left = 0
    this.#willEnd = false
  }
  #now = 0
  #left = 0
  #willEnd = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  now(): number {
    if (this.#left === 0) this.#read()
    this.#left -= 1
    return this.#now
  }

  #read(): void {
    this.#now = this.#clock.monotonic()
    this.#left = READINGS_PER_TURN
    if (this.#willEnd) return
    this.#willEnd = true
    process.nextTick(this.#endTurn)
  }
}
