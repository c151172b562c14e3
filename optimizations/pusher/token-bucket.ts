import type { Clock } from '#optimizations/kernel/clock.ts'

export interface TokenBucketOptions {
  readonly callsPerSecond: number
  /** How many may go at once after a pause. */
  readonly burst: number
}

const LOWEST_SHARE = 0.05
const RECOVERY_PER_SECOND = 0.05

/** Tokens by time. A 429 halves the rate (`slowDown`), quiet time brings it back by a twentieth of it a second. */
export class TokenBucket {
  readonly #clock: Clock
  readonly #options: TokenBucketOptions
  #rate: number
  #tokens: number
  #filledAt: number
  #pausedUntil = 0

  constructor(clock: Clock, options: TokenBucketOptions) {
    this.#clock = clock
    this.#options = options
    this.#rate = options.callsPerSecond
    this.#tokens = options.burst
    this.#filledAt = clock.monotonic()
  }

  /** Events a second at this moment. */
  get rate(): number {
    this.#refill()
    return this.#rate
  }

  get isSlowed(): boolean {
    return this.rate < this.#options.callsPerSecond
  }

  /**
   * In how many milliseconds so many tokens are there beside those that are to be `kept`. More than a full bucket is
   * granted from a full bucket, on credit.
   */
  waitMs(tokens: number, kept = 0): number {
    this.#refill()
    const pause = this.#pausedUntil - this.#filledAt
    const missing = Math.min(tokens + kept, this.#options.burst) - this.#tokens
    // Rounded up: a timer that fires a fraction early would only be set again.
    return Math.max(0, Math.ceil(Math.max(pause, (missing / this.#rate) * 1_000)))
  }

  /** Whatever the bucket holds: the next ones wait the longer. */
  spend(tokens: number): void {
    this.#tokens -= tokens
  }

  pause(ms: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, this.#clock.monotonic() + ms)
  }

  slowDown(): void {
    this.#refill()
    this.#rate = Math.max(this.#options.callsPerSecond * LOWEST_SHARE, this.#rate / 2)
  }

  #refill(): void {
    const now = this.#clock.monotonic()
    const seconds = (now - this.#filledAt) / 1_000
    const { callsPerSecond, burst } = this.#options
    this.#tokens = Math.min(burst, this.#tokens + seconds * this.#rate)
    if (this.#rate < callsPerSecond && now > this.#pausedUntil) {
      this.#rate = Math.min(callsPerSecond, this.#rate + seconds * callsPerSecond * RECOVERY_PER_SECOND)
    }
    this.#filledAt = now
  }
}
