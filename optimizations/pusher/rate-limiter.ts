import type { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import type { Clock } from '#optimizations/kernel/clock.ts'
import type { SharedRateLimit } from './shared-rate-limit.ts'
import { SpareTokens, type TokenSource } from './spare-tokens.ts'
import { TokenBucket, type TokenBucketOptions } from './token-bucket.ts'

/** Events, not requests: a batch of ten takes ten. */
export type RateLimiterOptions = TokenBucketOptions

interface Waiter {
  readonly tokens: number
  readonly answer: (isGranted: boolean) => void
}

/** Tokens fetched from the shared budget at a time, so that not every batch pays a round trip. */
const SHARED_CHUNK = 20

/** A token bucket in events. Waiters are served in their order, and `spare` gets what they leave. */
export class RateLimiter implements TokenSource {
  readonly #clock: Clock
  readonly #tasks: BackgroundTasks
  readonly #shared: SharedRateLimit | undefined
  readonly #bucket: TokenBucket
  readonly #waiters: Waiter[] = []
  #credit = 0
  #isServing = false
  readonly #stop = new AbortController()
  /** For whom nobody is to wait. */
  readonly spare: SpareTokens
  readonly mostAtOnce = Infinity
  /** How often somebody had to wait, and how often the shared budget did not answer. */
  readonly counts = { waits: 0, sharedFailures: 0 }

  constructor(
    deps: { readonly clock: Clock; readonly tasks: BackgroundTasks; readonly shared?: SharedRateLimit | undefined },
    options: RateLimiterOptions,
  ) {
    this.#clock = deps.clock
    this.#tasks = deps.tasks
    this.#shared = deps.shared
    this.#bucket = new TokenBucket(deps.clock, options)
    const { signal } = this.#stop
    this.spare = new SpareTokens(
      { ...deps, bucket: this.#bucket, counts: this.counts, signal, waitingTokens: () => this.#waitingTokens() },
      options,
    )
  }

  /** Events a second at this moment. */
  get currentRate(): number {
    return this.#bucket.rate
  }

  /** Whether it grants less than was configured, because Pusher asked for less. */
  get isSlowed(): boolean {
    return this.#bucket.isSlowed
  }

  /** Takes the tokens if they are there and nobody waits for them. */
  tryTake(tokens: number): boolean {
    if (this.#waiters.length > 0 || this.#bucket.waitMs(tokens) > 0) return false
    if (this.#shared !== undefined && this.#credit < tokens) return false
    this.charge(tokens)
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
    this.#bucket.spend(tokens)
    if (this.#shared !== undefined) this.#credit -= tokens
  }

  /** Nothing goes out for `ms`: what a Retry-After asks for. */
  pause(ms: number): void {
    this.#bucket.pause(ms)
  }

  /** Halves the rate for a while. */
  slowDown(): void {
    this.#bucket.slowDown()
  }

  #waitingTokens(): number {
    let tokens = 0
    for (const waiter of this.#waiters) tokens += waiter.tokens
    return tokens
  }

  async #serve(): Promise<void> {
    this.#isServing = true
    const pause = (ms: number): Promise<void> => this.#clock.sleep(ms, this.#stop.signal).catch(() => undefined)
    try {
      for (let head = this.#waiters[0]; head !== undefined; head = this.#waiters[0]) {
        const waitMs = this.#bucket.waitMs(head.tokens)
        if (waitMs > 0) await pause(waitMs)
        else if (this.#shared !== undefined && this.#credit < head.tokens) await this.#fetchCredit(head.tokens, pause)
        else {
          this.#waiters.shift()
          this.charge(head.tokens)
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
}
