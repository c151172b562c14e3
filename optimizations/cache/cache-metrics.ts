import { Counter, Gauge, type Registry } from 'prom-client'
import type { Cache } from './cache.ts'
import type { CacheStatistics } from './cache-statistics.ts'

/** Name and help of each counter, and where its value comes from. Labelled by namespace, never by key. */
const COUNTERS = {
  hits: 'Reads answered from either tier',
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
  deletes: 'Entries removed from Redis by an invalidation',
  invalidations: 'Invalidations by key, tag or pattern',
  unacknowledged: 'Invalidations that Redis had not confirmed when their caller went on',
  errors: 'Operations of Redis that failed or timed out',
  refused: 'Operations not sent to Redis because it is cut off or overloaded',
  bytesRead: 'Bytes of entries read from Redis',
  bytesWritten: 'Bytes of entries written to Redis',
} as const satisfies Partial<Record<keyof CacheStatistics, string>>

const PERCENTILES = { '0.5': 'p50Ms', '0.95': 'p95Ms', '0.99': 'p99Ms' } as const

/** Metrics are read from the statistics when they are collected: an operation pays nothing for them. */
export function registerCacheMetrics(registry: Registry, cache: Cache): void {
  const registers = [registry]
  for (const [name, help] of Object.entries(COUNTERS)) {
    const counter: Counter<'namespace'> = new Counter({
      name: `hotpath_cache_${name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}_total`,
      help,
      labelNames: ['namespace'],
      registers,
      collect: () => {
        const statistics = cache.stats()
        counter.reset()
        counter.inc({ namespace: statistics.namespace }, statistics[name as keyof typeof COUNTERS])
      },
    })
  }
  const memory: Gauge<'namespace'> = new Gauge({
    name: 'hotpath_cache_memory_bytes',
    help: 'Size of the entries in memory',
    labelNames: ['namespace'],
    registers,
    collect: () => {
      const statistics = cache.stats()
      memory.set({ namespace: statistics.namespace }, statistics.memory.bytes)
    },
  })
  const latency: Gauge<'namespace' | 'operation' | 'quantile'> = new Gauge({
    name: 'hotpath_cache_operation_seconds',
    help: 'Durations of operations since the start, by quantile',
    labelNames: ['namespace', 'operation', 'quantile'],
    registers,
    collect: () => {
      const { namespace, latency: operations } = cache.stats()
      for (const [operation, snapshot] of Object.entries(operations)) {
        for (const [quantile, field] of Object.entries(PERCENTILES)) {
          latency.set({ namespace, operation, quantile }, snapshot[field] / 1_000)
        }
      }
    },
  })
}
