import type { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import type { Clock } from '#optimizations/kernel/clock.ts'

/** A budget that several processes share. */
export interface SharedRateLimit {
  /**
   * Reserves tokens and answers in how many milliseconds they may be used. A reservation stands, so that those who
   * wait are served in order.
   */
  reserve(tokens: number): Promise<number>
}

export interface RateLimiterOptions {
  /** Events, not requests: a batch of ten takes ten. */
  readonly callsPerSecond: number
  /** How many may go at once after a pause. */
  readonly burst: number
}

interface Waiter {
  readonly tokens: number
  readonly answer: (isGranted: boolean) => void
}

const LOWEST_SHARE = 0.05
const RECOVERY_PER_SECOND = 0.05
/** Tokens fetched from the shared budget at a time, so that not every batch pays a round trip. */
const SHARED_CHUNK = 20

/**
 * A token bucket in events. Waiters are served in their order. A 429 halves the rate (`slowDown`), quiet time brings it
 * back by a twentieth of the configured rate a second.
 */
export class RateLimiter {
  readonly #clock: Clock
  readonly #tasks: BackgroundTasks
  readonly #shared: SharedRateLimit | undefined
  readonly #options: RateLimiterOptions
  readonly #waiters: Waiter[] = []
  #rate: number
  #tokens: number
  #filledAt: number
  #pausedUntil = 0
  #credit = 0
  #isServing = false
  readonly #stop = new AbortController()
  /** How often somebody had to wait, and how often the shared budget did not answer. */
  readonly counts = { waits: 0, sharedFailures: 0 }

  constructor(
    deps: { readonly clock: Clock; readonly tasks: BackgroundTasks; readonly shared?: SharedRateLimit | undefined },
    options: RateLimiterOptions,
  ) {
    this.#clock = deps.clock
    this.#tasks = deps.tasks
    this.#shared = deps.shared
    this.#options = options
    this.#rate = options.callsPerSecond
    this.#tokens = options.burst
    this.#filledAt = deps.clock.monotonic()
  }

  /** Events a second at this moment. */
  get currentRate(): number {
    this.#refill()
    return this.#rate
  }

  /** Whether it grants less than was configured, because Pusher asked for less. */
  get isSlowed(): boolean {
    return this.currentRate < this.#options.callsPerSecond
  }

  /** Takes the tokens if they are there and nobody waits for them. */
  tryTake(tokens: number): boolean {
    if (this.#waiters.length > 0 || this.#localWaitMs(tokens) > 0) return false
    if (this.#shared !== undefined && this.#credit < tokens) return false
    this.#spend(tokens)
    return true
  }

  /** Resolves to true when the tokens were taken; to false, nothing taken, after `deadlineMs` or when it closes. */
  take(tokens: number, deadlineMs?: number): Promise<boolean> {
    if (this.#stop.signal.aborted) return Promise.resolve(false)
    if (this.tryTake(tokens)) return Promise.resolve(true)
    this.counts.waits += 1
    const { promise, resolve } = Promise.withResolvers<boolean>()
    let timer: Disposable | undefined
    const waiter: Waiter = {
      tokens,
      answer: (isGranted) => {
        timer?.[Symbol.dispose]()
        resolve(isGranted)
      },
    }
    if (deadlineMs !== undefined) {
      timer = this.#clock.schedule(deadlineMs, () => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
        resolve(false)
      })
    }
    this.#waiters.push(waiter)
    if (!this.#isServing) this.#tasks.run('pusher.rate-limit', () => this.#serve())
    return promise
  }

  /** Sends away everybody who waits. */
  close(): void {
    this.#stop.abort()
    for (const waiter of this.#waiters.splice(0)) waiter.answer(false)
  }

  /** Takes tokens that are owed whatever the bucket holds: the next ones wait the longer. */
  charge(tokens: number): void {
    this.#spend(tokens)
  }

  /** Nothing goes out for `ms`: what a Retry-After asks for. */
  pause(ms: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, this.#clock.monotonic() + ms)
  }

  slowDown(): void {
    this.#refill()
    this.#rate = Math.max(this.#options.callsPerSecond * LOWEST_SHARE, this.#rate / 2)
  }

  async #serve(): Promise<void> {
    this.#isServing = true
    const pause = (ms: number): Promise<void> => this.#clock.sleep(ms, this.#stop.signal).catch(() => undefined)
    try {
      for (let head = this.#waiters[0]; head !== undefined; head = this.#waiters[0]) {
        const waitMs = this.#localWaitMs(head.tokens)
        if (waitMs > 0) await pause(waitMs)
        else if (this.#shared !== undefined && this.#credit < head.tokens) await this.#fetchCredit(head.tokens, pause)
        else {
          this.#waiters.shift()
          this.#spend(head.tokens)
          head.answer(true)
        }
      }
    } finally {
      this.#isServing = false
    }
  }

  /** Without an answer of the shared budget this process keeps to its own bucket: delivery goes on. */
  async #fetchCredit(tokens: number, pause: (ms: number) => Promise<void>): Promise<void> {
    const wanted = Math.max(tokens - this.#credit, SHARED_CHUNK)
    try {
      const waitMs = (await this.#shared?.reserve(wanted)) ?? 0
      if (waitMs > 0) await pause(waitMs)
    } catch {
      this.counts.sharedFailures += 1
    }
    this.#credit += wanted
  }

  #spend(tokens: number): void {
    this.#tokens -= tokens
    if (this.#shared !== undefined) this.#credit -= tokens
  }

  /** More than a full bucket is granted from a full bucket, on credit. */
  #localWaitMs(tokens: number): number {
    this.#refill()
    const pause = this.#pausedUntil - this.#filledAt
    const missing = Math.min(tokens, this.#options.burst) - this.#tokens
    // Rounded up: a timer that fires a fraction early would only be set again.
    return Math.max(0, Math.ceil(Math.max(pause, (missing / this.#rate) * 1_000)))
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
