import type { Clock } from '#optimizations/kernel/clock.ts'
import type { SharedRateLimit } from './shared-rate-limit.ts'
import type { TokenBucket, TokenBucketOptions } from './token-bucket.ts'

/** Where a tier gets its tokens from. */
export interface TokenSource {
  /** No more than that may be asked for. */
  readonly mostAtOnce: number
  tryTake(tokens: number): boolean
  /** Resolves to true when the tokens were taken, to false when it closes. */
  take(tokens: number): Promise<boolean>
  /** Takes tokens that are owed whatever is there. */
  charge(tokens: number): void
}

interface SpareTokensDependencies {
  readonly clock: Clock
  readonly bucket: TokenBucket
  readonly shared?: SharedRateLimit | undefined
  readonly counts: { waits: number; sharedFailures: number }
  readonly signal: AbortSignal
  /** How many tokens those want who have priority and wait. */
  readonly waitingTokens: () => number
}

/** The share of a full bucket that is left alone: whoever has priority finds it, however much is asked for here. */
const KEPT_SHARE = 0.5
/** How soon to look again where it cannot be told how long others will wait. */
const LOOK_AGAIN_MS = 5

/** What of a rate limit is left over: nothing while somebody waits for it, and never the part of the burst that is kept. */
export class SpareTokens implements TokenSource {
  readonly mostAtOnce: number
  readonly #deps: SpareTokensDependencies
  readonly #kept: number
  #credit = 0

  constructor(deps: SpareTokensDependencies, { burst }: TokenBucketOptions) {
    this.#deps = deps
    this.#kept = Math.floor(burst * KEPT_SHARE)
    this.mostAtOnce = Math.max(1, burst - this.#kept)
  }

  tryTake(tokens: number): boolean {
    const { shared } = this.#deps
    if (this.#localWaitMs(tokens) > 0 || (shared !== undefined && this.#credit < tokens)) return false
    this.charge(tokens)
    return true
  }

  async take(tokens: number): Promise<boolean> {
    const { clock, signal, counts } = this.#deps
    if (!this.tryTake(tokens)) counts.waits += 1
    else return true
    while (!signal.aborted) {
      const waitMs = this.#localWaitMs(tokens) || (await this.#sharedWaitMs(tokens))
      if (waitMs > 0) await clock.sleep(waitMs, signal).catch(() => undefined)
      else if (!signal.aborted && this.tryTake(tokens)) return true
    }
    return false
  }

  charge(tokens: number): void {
    this.#deps.bucket.spend(tokens)
    if (this.#deps.shared !== undefined) this.#credit -= tokens
  }

  #localWaitMs(tokens: number): number {
    const waiting = this.#deps.waitingTokens()
    const waitMs = this.#deps.bucket.waitMs(tokens + waiting, this.#kept)
    return waiting > 0 ? Math.max(waitMs, LOOK_AGAIN_MS) : waitMs
  }

  /** Without an answer of the shared budget this process keeps to its own bucket. */
  async #sharedWaitMs(tokens: number): Promise<number> {
    const { shared, counts } = this.#deps
    const wanted = tokens - this.#credit
    if (shared === undefined || wanted <= 0) return 0
    try {
      const waitMs = await shared.takeSpare(wanted, this.#kept)
      if (waitMs > 0) return waitMs
    } catch {
      counts.sharedFailures += 1
    }
    this.#credit += wanted
    return 0
  }
}
