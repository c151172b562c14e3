import { Counter, Gauge, type Registry } from 'prom-client'
import type { Cache } from './cache.ts'
import { COUNTERS, type CounterName } from './cache-statistics.ts'

const PERCENTILES = { '0.5': 'p50Ms', '0.95': 'p95Ms', '0.99': 'p99Ms' } as const

/** Labelled by namespace, never by key. Metrics are read from the statistics when they are collected: an operation pays nothing for them. */
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
        counter.inc({ namespace: statistics.namespace }, statistics[name as CounterName])
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
