import type { Clock } from '#optimizations/kernel/clock.ts'
import type { Random } from '#optimizations/kernel/random.ts'

export type BreakerState = 'closed' | 'open' | 'half_open'

export interface BreakerOptions {
  /** So many failures in a row, with no success between them, open it. */
  readonly failureThreshold: number
  readonly minOpenMs: number
  readonly maxOpenMs: number
}

/**
 * Stops asking a Pusher that does not answer. After a pause one request goes through as a probe: its success closes the
 * breaker, its failure doubles the pause. Only faults of the other side are to be reported to it, never a 4xx.
 */
export class CircuitBreaker {
  readonly #clock: Clock
  readonly #random: Random
  readonly #options: BreakerOptions
  #failures = 0
  #openings = 0
  #opensUntil = 0
  #isOpen = false
  #isProbing = false

  constructor(deps: { readonly clock: Clock; readonly random: Random }, options: BreakerOptions) {
    this.#clock = deps.clock
    this.#random = deps.random
    this.#options = options
  }

  get state(): BreakerState {
    if (!this.#isOpen) return 'closed'
    return this.#isProbing || this.waitMs() === 0 ? 'half_open' : 'open'
  }

  /** Milliseconds until a request may be tried: 0 when it may be tried now, Infinity while a probe is under way. */
  waitMs(): number {
    if (this.#isProbing) return Infinity
    return this.#isOpen ? Math.max(0, this.#opensUntil - this.#clock.monotonic()) : 0
  }

  /** A request goes out, `waitMs()` being 0. It must report `succeed`, `fail` or `withdraw`. */
  pass(): void {
    this.#isProbing = this.#isOpen
  }

  /** Nothing was sent after all: the next one is the probe. */
  withdraw(): void {
    this.#isProbing = false
  }

  succeed(): void {
    this.#failures = 0
    this.#openings = 0
    this.#isOpen = false
    this.#isProbing = false
  }

  fail(): void {
    if (this.#isOpen && !this.#isProbing) return // A straggler from before the opening tells nothing new.
    this.#failures += 1
    if (!this.#isProbing && this.#failures < this.#options.failureThreshold) return
    const pause = Math.min(this.#options.maxOpenMs, this.#options.minOpenMs * 2 ** Math.min(this.#openings, 30))
    // Between half and all of the pause, so that processes do not probe in step.
    this.#opensUntil = this.#clock.monotonic() + pause * (0.5 + this.#random() / 2)
    this.#openings += 1
    this.#isOpen = true
    this.#isProbing = false
  }
}
