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
}

/** About a hundred bytes each. Pusher sends a few a second at most, and ten minutes are remembered. */
const MAX_REMEMBERED = 10_000

/** Which webhooks were taken: over all processes where they share a memory, and in any case by this one. */
export class WebhookMemory {
  readonly #shared: SharedWebhookMemory | undefined
  readonly #counts: WebhookCounts
  readonly #taken: LRUCache<string, true>

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
    const perf = { now: () => deps.clock.monotonic() }
    // Without a resolution of its own the clock of the deps is asked every time.
    this.#taken = new LRUCache({ max: maxRemembered, ttlResolution: 0, perf })
  }

  /** True for the first time, and then no more for `ttlMs`. */
  async claim(id: string, ttlMs: number): Promise<boolean> {
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
