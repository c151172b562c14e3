import { channel } from 'node:diagnostics_channel'
import { LatencyHistogram } from '#optimizations/kernel/histogram.ts'
import type { CacheKey } from './cache-key.ts'
import type { CacheStatistics } from './cache-statistics.ts'
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

/** One memory hit in this many is timed: reading the clock twice takes longer than the hit. */
const TIMED_HITS = 1_024

export class StatisticsRecorder {
  readonly namespace: string
  redisHits = 0
  staleHits = 0
  negativeHits = 0
  misses = 0
  loads = 0
  loadErrors = 0
  /** Loads that were not begun because the last one of the key had just failed. */
  backedOff = 0
  /** Reads that waited for another process to load. */
  leaseWaits = 0
  /** Values that were not kept because something was invalidated while they were loaded. */
  refusedWriteBacks = 0
  /** Values that were not kept because the store was away. */
  droppedWrites = 0
  /** Bytes under a key that are no entry. */
  corrupted = 0
  sets = 0
  deletes = 0
  invalidations = 0
  /** Invalidations that other processes may not have seen yet when their caller went on. */
  unacknowledged = 0
  errors = 0
  /** Operations that were not sent because the store is cut off or has too much to do. */
  refused = 0
  bytesRead = 0
  bytesWritten = 0
  readonly memoryGet = new LatencyHistogram()
  readonly memorySet = new LatencyHistogram()
  readonly redisGet = new LatencyHistogram()
  readonly redisSet = new LatencyHistogram()
  readonly redisDelete = new LatencyHistogram()
  readonly load = new LatencyHistogram()
  /** Hits in memory, but for those since the last one that was timed: these are counted down. */
  #countedHits = 0
  #untilTimed = TIMED_HITS

  /** Off: hits in memory are not counted, everything else is. For measuring what counting costs. */
  readonly countsHits: boolean

  constructor(namespace: string, countsHits = true) {
    this.namespace = namespace
    this.countsHits = countsHits
  }

  get memoryHits(): number {
    return this.#countedHits + TIMED_HITS - this.#untilTimed
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
    if (operation === 'read') this.redisGet.record(ms)
    else if (operation === 'store' || operation === 'replace') this.redisSet.record(ms)
    else if (operation === 'remove' || operation === 'bump') this.redisDelete.record(ms)
  }

  hit(key: CacheKey, value: unknown, tier: Tier, isStale = false): void {
    if (tier === 'memory') this.countMemoryHit()
    else this.redisHits += 1
    if (isStale) this.staleHits += 1
    if (value === null) this.negativeHits += 1
    this.published(key, isStale ? 'stale' : tier)
  }

  missed(key: CacheKey): void {
    this.misses += 1
    this.published(key, 'miss')
  }

  loaded(key: CacheKey, durationMs: number, error?: unknown): void {
    this.loads += 1
    if (error !== undefined) this.loadErrors += 1
    this.load.record(durationMs)
    const { load } = CACHE_CHANNELS
    if (load.hasSubscribers) load.publish({ namespace: this.namespace, key, durationMs, error })
  }

  stored(bytes: number): void {
    this.sets += 1
    this.bytesWritten += bytes
  }

  failed(operation: StoreOperation, error: unknown): void {
    this.errors += 1
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

  snapshot(tiers: CacheStatistics['memory']): CacheStatistics {
    const hits = this.memoryHits + this.redisHits
    const reads = hits + this.misses
    const redisGet = this.redisGet.snapshot()
    return {
      namespace: this.namespace,
      hits,
      memoryHits: this.memoryHits,
      redisHits: this.redisHits,
      staleHits: this.staleHits,
      negativeHits: this.negativeHits,
      misses: this.misses,
      loads: this.loads,
      loadErrors: this.loadErrors,
      backedOff: this.backedOff,
      leaseWaits: this.leaseWaits,
      refusedWriteBacks: this.refusedWriteBacks,
      droppedWrites: this.droppedWrites,
      corrupted: this.corrupted,
      sets: this.sets,
      deletes: this.deletes,
      invalidations: this.invalidations,
      unacknowledged: this.unacknowledged,
      errors: this.errors,
      refused: this.refused,
      bytesRead: this.bytesRead,
      bytesWritten: this.bytesWritten,
      hitRate: reads === 0 ? 0 : hits / reads,
      avgTimeMs: redisGet.meanMs,
      memory: tiers,
      latency: {
        memoryGet: this.memoryGet.snapshot(),
        memorySet: this.memorySet.snapshot(),
        redisGet,
        redisSet: this.redisSet.snapshot(),
        redisDelete: this.redisDelete.snapshot(),
        load: this.load.snapshot(),
      },
    }
  }
}
