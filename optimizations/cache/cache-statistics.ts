import type { HistogramSnapshot } from '#optimizations/kernel/histogram.ts'

/** What is counted, since the start of the cache and for its namespace; the words are also the help of its metric. */
export const COUNTERS = {
  hits: 'Reads answered from either tier, stale and negative ones included',
  memoryHits: 'Reads answered from memory',
  redisHits: 'Reads answered from Redis',
  staleHits: 'Reads answered with a value past its time to live',
  negativeHits: 'Reads answered with the knowledge that there is nothing',
  misses: 'Reads that neither tier could answer',
  loads: 'Calls of a loader',
  loadErrors: 'Calls of a loader that failed',
  backedOff: 'Reads refused because the load of their key had just failed',
  leaseWaits: 'Reads that waited for the load of another process',
  refusedWriteBacks: 'Values not kept because of an invalidation during their load',
  droppedWrites: 'Values not kept because Redis was away',
  corrupted: 'Entries in Redis that could not be read',
  sets: 'Entries written to Redis',
  deletes: 'Entries removed from Redis by an invalidation of keys or of a pattern',
  invalidations: 'Invalidations by key, tag or pattern',
  unacknowledged: 'Invalidations that Redis had not confirmed when their caller went on',
  errors: 'Operations of Redis that failed or timed out',
  refused: 'Operations not sent to Redis because it is cut off or overloaded',
  bytesRead: 'Bytes of entries read from Redis',
  bytesWritten: 'Bytes of entries written to Redis',
} as const

export type CounterName = keyof typeof COUNTERS

/** What is timed. Of the hits in memory, one in 1,024 is. */
export const TIMED_OPERATIONS = ['memoryGet', 'memorySet', 'redisGet', 'redisSet', 'redisDelete', 'load'] as const

export type TimedOperation = (typeof TIMED_OPERATIONS)[number]

/** Durations in milliseconds. */
export interface CacheStatistics extends Readonly<Record<CounterName, number>> {
  readonly namespace: string
  /** Hits among all reads; a read that met an error did not hit. 0 before the first read. */
  readonly hitRate: number
  /** Mean duration of a read of Redis. */
  readonly avgTimeMs: number
  readonly memory: { readonly entries: number; readonly bytes: number }
  readonly latency: Readonly<Record<TimedOperation, HistogramSnapshot>>
}
