import { LRUCache } from 'lru-cache'
import type { Clock } from '#optimizations/kernel/clock.ts'

/** The port that a store fills which several processes share. */
export interface SharedWebhookMemory {
  /** True for the first of all who claims this id within `ttlMs`. Rejects when it cannot be reached. */
  claim(id: string, ttlMs: number): Promise<boolean>
}

export interface WebhookCounts {
  applied: number
  /** Taken before, by whatever process, and not applied again. */
  repeated: number
  /** Of those applied, how many only this process remembers, because the shared memory did not answer. */
  unshared: number
  /** Signed, and refused by their time: a replay, or a clock that is wrong. */
  outdated: number
}

export interface OutdatedWebhook {
  /** Positive where our clock is ahead of the sender's. */
  readonly ageMs: number
  /** Monotonic. */
  readonly at: number
  /** How many were refused so, with none taken between. */
  readonly inARow: number
}

/** About a hundred bytes each. Pusher sends a few a second at most, and ten minutes are remembered. */
const MAX_REMEMBERED = 10_000

/** Which webhooks were taken: over all processes where they share a memory, and in any case by this one. */
export class WebhookMemory {
  readonly #shared: SharedWebhookMemory | undefined
  readonly #counts: WebhookCounts
  readonly #taken: LRUCache<string, true>
  readonly #clock: Clock
  #outdated: OutdatedWebhook | undefined

  constructor(
    deps: {
      readonly clock: Clock
      readonly counts: WebhookCounts
      readonly shared?: SharedWebhookMemory | undefined
    },
    { maxRemembered = MAX_REMEMBERED }: { readonly maxRemembered?: number } = {},
  ) {
    this.#shared = deps.shared
    this.#counts = deps.counts
    this.#clock = deps.clock
    const perf = { now: () => deps.clock.monotonic() }
    // Without a resolution of its own the clock of the deps is asked every time.
    this.#taken = new LRUCache({ max: maxRemembered, ttlResolution: 0, perf })
  }

  /** The last that was refused by its time, if none was taken since. */
  get outdated(): OutdatedWebhook | undefined {
    return this.#outdated
  }

  refuseByTime(ageMs: number): void {
    this.#counts.outdated += 1
    this.#outdated = { ageMs, at: this.#clock.monotonic(), inARow: (this.#outdated?.inARow ?? 0) + 1 }
  }

  /** True for the first time, and then no more for `ttlMs`. */
  async claim(id: string, ttlMs: number): Promise<boolean> {
    this.#outdated = undefined
    const isFirst = await this.#isFirst(id, ttlMs)
    if (isFirst) this.#counts.applied += 1
    else this.#counts.repeated += 1
    return isFirst
  }

  async #isFirst(id: string, ttlMs: number): Promise<boolean> {
    if (this.#taken.has(id)) return false
    this.#taken.set(id, true, { ttl: ttlMs })
    try {
      return (await this.#shared?.claim(id, ttlMs)) ?? true
    } catch {
      this.#counts.unshared += 1
      return true
    }
  }
}
