import type { HistogramSnapshot } from '#optimizations/kernel/histogram.ts'

/** Counted since the start of the cache, for its namespace. Durations in milliseconds. */
export interface CacheStatistics {
  readonly namespace: string
  /** Reads answered from either tier, stale and negative ones included. */
  readonly hits: number
  readonly memoryHits: number
  readonly redisHits: number
  readonly staleHits: number
  readonly negativeHits: number
  readonly misses: number
  readonly loads: number
  readonly loadErrors: number
  /** Loads that were not begun because the last one of the key had just failed. */
  readonly backedOff: number
  /** Reads that waited for another process to load. */
  readonly leaseWaits: number
  /** Values that were not kept because something was invalidated while they were loaded. */
  readonly refusedWriteBacks: number
  /** Values that were not kept because Redis was away. */
  readonly droppedWrites: number
  /** Bytes under a key that are no entry. */
  readonly corrupted: number
  readonly sets: number
  /** Entries that an invalidation of keys or of a pattern removed. */
  readonly deletes: number
  readonly invalidations: number
  /** Invalidations that other processes may not have seen yet when their caller went on. */
  readonly unacknowledged: number
  /** Operations on Redis that failed or timed out. */
  readonly errors: number
  /** Operations that were not sent because Redis is cut off or has too much to do. */
  readonly refused: number
  readonly bytesRead: number
  readonly bytesWritten: number
  /** Hits among all reads; a read that met an error did not hit. 0 before the first read. */
  readonly hitRate: number
  /** Mean duration of a read of Redis. */
  readonly avgTimeMs: number
  readonly memory: { readonly entries: number; readonly bytes: number }
  readonly latency: {
    /** One hit in 1,024 is timed. */
    readonly memoryGet: HistogramSnapshot
    readonly memorySet: HistogramSnapshot
    readonly redisGet: HistogramSnapshot
    readonly redisSet: HistogramSnapshot
    readonly redisDelete: HistogramSnapshot
    readonly load: HistogramSnapshot
  }
}
