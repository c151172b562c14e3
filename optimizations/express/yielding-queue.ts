/** For so long after another request everything waits longer. */
const RECENT_MS = 100
/** Between two calls then: the process is theirs for the most of its time. */
const PAUSE_MS = 1

/**
 * Makes the calls that it is given one after the other, one in each turn of the event loop. While requests come that are
 * not among them it leaves those most of the time; a process that has nothing else to do makes them as fast as it can.
 */
export class YieldingQueue {
  readonly #waiting: (() => void)[] = []
  #lastOtherAt = Number.NEGATIVE_INFINITY
  #isScheduled = false

  /** A request has come that is not among the calls. */
  yieldToOthers(): void {
    this.#lastOtherAt = performance.now()
  }

  add(call: () => void): void {
    this.#waiting.push(call)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled || this.#waiting.length === 0) return
    this.#isScheduled = true
    const next = (): void => this.#callNext()
    if (performance.now() - this.#lastOtherAt < RECENT_MS) setTimeout(next, PAUSE_MS)
    else setImmediate(next)
  }

  #callNext(): void {
    this.#isScheduled = false
    const call = this.#waiting.shift()
    this.#schedule()
    call?.()
  }
}
