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
  readonly sets: number
  readonly deletes: number
  /** Operations on Redis that failed, timed out or were refused because it is cut off. */
  readonly errors: number
  /** Hits among all reads; a read that met an error counts as one that did not hit. 0 before the first read. */
  readonly hitRate: number
  /** Mean duration of a read of Redis. */
  readonly avgTimeMs: number
  readonly latency: {
    readonly memoryGet: HistogramSnapshot
    readonly redisGet: HistogramSnapshot
    readonly redisSet: HistogramSnapshot
    readonly load: HistogramSnapshot
  }
}

const NO_LATENCY: HistogramSnapshot = { count: 0, meanMs: 0, maxMs: 0, p50Ms: 0, p95Ms: 0, p99Ms: 0 }

export function emptyStatistics(namespace: string): CacheStatistics {
  return {
    namespace,
    hits: 0,
    memoryHits: 0,
    redisHits: 0,
    staleHits: 0,
    negativeHits: 0,
    misses: 0,
    loads: 0,
    loadErrors: 0,
    sets: 0,
    deletes: 0,
    errors: 0,
    hitRate: 0,
    avgTimeMs: 0,
    latency: { memoryGet: NO_LATENCY, redisGet: NO_LATENCY, redisSet: NO_LATENCY, load: NO_LATENCY },
  }
}
