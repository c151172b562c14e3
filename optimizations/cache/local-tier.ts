import type { Clock } from '#optimizations/kernel/clock.ts'
import type { Random } from '#optimizations/kernel/random.ts'
import type { ResolvedCacheOptions } from './cache-options.ts'
import { FailureBackoff } from './failure-backoff.ts'
import type { GuardedStore } from './guarded-store.ts'
import type { Change } from './invalidation-bus.ts'
import { KeyFlights, type Keep } from './key-flights.ts'
import { MemoryTier } from './memory-tier.ts'
import type { StatisticsRecorder } from './statistics-recorder.ts'
import { TagVersions } from './tag-versions.ts'
import type { TickClock } from './tick-clock.ts'

/** Until when this process may serve what it remembers, by the monotonic clock. */
export interface MemoryPermit {
  validUntil: number
}

export interface LocalTierDependencies {
  readonly permit: MemoryPermit
  readonly guard: GuardedStore
  readonly statistics: StatisticsRecorder
  readonly clock: Clock
  readonly ticks: TickClock
  readonly random: Random
}

/** Everything that this process remembers, and the one place where it forgets. */
export class LocalTier {
  readonly memory: MemoryTier
  readonly flights: KeyFlights
  readonly tags: TagVersions
  readonly backoff: FailureBackoff
  readonly #deps: LocalTierDependencies
  readonly #keepsEntries: boolean

  constructor(deps: LocalTierDependencies, options: ResolvedCacheOptions) {
    this.#deps = deps
    const isCoherent = (): boolean => this.isCoherent
    this.#keepsEntries = options.memoryMaxBytes > 0
    this.memory = new MemoryTier({ maxBytes: options.memoryMaxBytes, maxEntries: options.memoryMaxEntries })
    const isCutOff = (): boolean => !deps.guard.breaker.isClosed
    this.flights = new KeyFlights({ now: () => deps.ticks.now(), isCoherent, isCutOff })
    this.tags = new TagVersions({
      isCoherent,
      fetch: (tags) => deps.guard.run('versions', (store) => store.versions(tags)),
    })
    this.backoff = new FailureBackoff(deps.random, {
      firstMs: options.errorBackoffMs,
      maxMs: options.errorBackoffMaxMs,
    })
  }

  get isCoherent(): boolean {
    return this.#deps.ticks.now() < this.#deps.permit.validUntil
  }

  /** When this returns, nothing that the change ended is served, joined, or put into memory later. */
  readonly apply = (change: Change): void => {
    if (change.everything) {
      this.memory.clear()
      this.tags.forgetAll()
      this.flights.detachAll()
    }
    for (const key of change.keys) {
      this.memory.delete(key)
      this.flights.detach(key)
      this.backoff.forget(key)
    }
    if (change.tags.length > 0) this.tags.forget(change.tags)
  }

  readonly keep: Keep = (flight, entry, valueBytes) => {
    if (!this.#keepsEntries || flight.isDetached || !this.isCoherent || !entry.isCurrent) return
    const { clock, statistics } = this.#deps
    const begun = clock.monotonic()
    this.memory.put(flight.key, entry, valueBytes)
    statistics.latency.memorySet.record(clock.monotonic() - begun)
  }
}
