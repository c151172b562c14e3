import type { Response } from 'express'
import type { Clock } from '#optimizations/kernel/clock.ts'
import { contextOf } from '#optimizations/express/request-context.ts'

const MAX_HELD = 1_000
const HOLD_MS = 1_000

/**
 * Answers refusals late: a client that asks again without a pause would otherwise keep the process busy with refusals.
 * At most so many wait at once, because each that waits holds memory.
 */
export class HeldRefusals {
  readonly #clock: Pick<Clock, 'sleep'>
  readonly #maxHeld: number
  readonly #released = new AbortController()
  #held = 0

  constructor(clock: Pick<Clock, 'sleep'>, maxHeld = MAX_HELD) {
    this.#clock = clock
    this.#maxHeld = maxHeld
  }

  /**
   * Resolves when the refusal may be answered, and at once when nobody waits for it any more. False where there was no
   * room to hold it: then its connection should end with the answer, so that the next try costs the client a new one.
   */
  async hold(signal: AbortSignal): Promise<boolean> {
    if (this.#released.signal.aborted) return true
    if (this.#held >= this.#maxHeld) return false
    this.#held += 1
    try {
      await this.#clock.sleep(HOLD_MS, AbortSignal.any([signal, this.#released.signal])).catch(() => undefined)
    } finally {
      this.#held -= 1
    }
    return true
  }

  /** The same for a reply: its connection ends with it where there was no room. */
  async holdReply(response: Response): Promise<void> {
    const isHeld = await this.hold(contextOf(response).signal)
    if (!isHeld && !response.headersSent) response.setHeader('connection', 'close')
  }

  /** Answers all that are held, and holds no more: a process that stops does not wait for them. */
  release(): void {
    this.#released.abort()
  }
}
