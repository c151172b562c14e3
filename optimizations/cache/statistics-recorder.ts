import { channel } from 'node:diagnostics_channel'
import { LatencyHistogram } from '#optimizations/kernel/histogram.ts'
import type { CacheKey } from './cache-key.ts'
import {
  COUNTERS,
  TIMED_OPERATIONS,
  type CacheStatistics,
  type CounterName,
  type TimedOperation,
} from './cache-statistics.ts'
import type { StoreOperation } from './cache-store.ts'
import type { Change } from './invalidation-bus.ts'

export type Tier = 'memory' | 'redis'

/** How a read was answered. */
type ReadOutcome = Tier | 'stale' | 'miss'

/** What happens, for tracing: nothing is built for a channel that nobody subscribes to. */
const CACHE_CHANNELS = {
  /** `{ namespace, key, outcome }` for each read. */
  read: channel('hotpath:cache:read'),
  /** `{ namespace, key, durationMs, error }` for each load. */
  load: channel('hotpath:cache:load'),
  /** `{ namespace, keys, tags, pattern, isAcknowledged }` for each invalidation. */
  invalidation: channel('hotpath:cache:invalidation'),
  /** `{ namespace, operation, error }` for what a caller does not see. */
  fault: channel('hotpath:cache:fault'),
} as const

/** What is timed of the store; the rest is part of a load or of an invalidation. */
const TIMED_STORE_OPERATIONS: Partial<Record<StoreOperation, TimedOperation>> = {
  read: 'redisGet',
  store: 'redisSet',
  replace: 'redisSet',
  remove: 'redisDelete',
  bump: 'redisDelete',
}

/** One memory hit in this many is timed: reading the clock twice takes longer than the hit. */
const TIMED_HITS = 1_024

/** One thing for each name. */
function forEach<Name extends string, T>(names: readonly Name[], make: (name: Name) => T): Record<Name, T> {
  return Object.fromEntries(names.map((name) => [name, make(name)])) as Record<Name, T>
}

export class StatisticsRecorder {
  readonly namespace: string
  /** Hits, and hits in memory, are known to the snapshot only. */
  readonly counts = forEach(Object.keys(COUNTERS) as CounterName[], () => 0)
  readonly latency = forEach(TIMED_OPERATIONS, () => new LatencyHistogram())
  /** Off: hits in memory are not counted, everything else is. For measuring what counting costs. */
  readonly countsHits: boolean
  /** Hits in memory, but for those since the last one that was timed: these are counted down. */
  #countedHits = 0
  #untilTimed = TIMED_HITS

  constructor(namespace: string, countsHits = true) {
    this.namespace = namespace
    this.countsHits = countsHits
  }

  /** Counts a hit in memory; true for those that are to be timed. */
  countMemoryHit(): boolean {
    this.#untilTimed -= 1
    if (this.#untilTimed > 0) return false
    this.#countedHits += TIMED_HITS
    this.#untilTimed = TIMED_HITS
    return true
  }

  timed(operation: StoreOperation, ms: number): void {
    const timed = TIMED_STORE_OPERATIONS[operation]
    if (timed !== undefined) this.latency[timed].record(ms)
  }

  hit(key: CacheKey, value: unknown, tier: Tier, isStale = false): void {
    if (tier === 'memory') this.countMemoryHit()
    else this.counts.redisHits += 1
    if (isStale) this.counts.staleHits += 1
    if (value === null) this.counts.negativeHits += 1
    this.published(key, isStale ? 'stale' : tier)
  }

  missed(key: CacheKey): void {
    this.counts.misses += 1
    this.published(key, 'miss')
  }

  loaded(key: CacheKey, durationMs: number, error?: unknown): void {
    this.counts.loads += 1
    if (error !== undefined) this.counts.loadErrors += 1
    this.latency.load.record(durationMs)
    const { load } = CACHE_CHANNELS
    if (load.hasSubscribers) load.publish({ namespace: this.namespace, key, durationMs, error })
  }

  stored(bytes: number): void {
    this.counts.sets += 1
    this.counts.bytesWritten += bytes
  }

  failed(operation: StoreOperation, error: unknown): void {
    this.counts.errors += 1
    const { fault } = CACHE_CHANNELS
    if (fault.hasSubscribers) fault.publish({ namespace: this.namespace, operation, error })
  }

  invalidated({ keys, tags }: Change, pattern: string | undefined, isAcknowledged: boolean): void {
    const { invalidation } = CACHE_CHANNELS
    if (!invalidation.hasSubscribers) return
    invalidation.publish({ namespace: this.namespace, keys, tags, pattern, isAcknowledged })
  }

  published(key: CacheKey, outcome: ReadOutcome): void {
    if (CACHE_CHANNELS.read.hasSubscribers) CACHE_CHANNELS.read.publish({ namespace: this.namespace, key, outcome })
  }

  snapshot(memory: CacheStatistics['memory']): CacheStatistics {
    const memoryHits = this.#countedHits + TIMED_HITS - this.#untilTimed
    const hits = memoryHits + this.counts.redisHits
    const reads = hits + this.counts.misses
    const latency = forEach(TIMED_OPERATIONS, (operation) => this.latency[operation].snapshot())
    return {
      ...this.counts,
      namespace: this.namespace,
      hits,
      memoryHits,
      hitRate: reads === 0 ? 0 : hits / reads,
      avgTimeMs: latency.redisGet.meanMs,
      memory,
      latency,
    }
  }
}
