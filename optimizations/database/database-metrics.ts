import { Gauge, Registry } from 'prom-client'
import type { DatabaseStats } from './database.ts'
import type { HistogramSnapshot } from '#optimizations/kernel/histogram.ts'

/** What is counted is read when it is asked for: metrics cost nothing on the way of a query. */
export function createMetrics(readStats: () => DatabaseStats): Registry {
  const registry = new Registry()
  const stats = oncePerTurn(readStats)
  const gauge = (name: string, help: string, read: (stats: DatabaseStats) => number): void => {
    registry.registerMetric(
      new Gauge({
        name: `hotpath_database_${name}`,
        help,
        registers: [],
        collect() {
          this.set(read(stats()))
        },
      }),
    )
  }
  const quantiles = (name: string, help: string, read: (stats: DatabaseStats) => HistogramSnapshot): void => {
    registry.registerMetric(
      new Gauge({
        name: `hotpath_database_${name}_ms`,
        help,
        labelNames: ['quantile'],
        registers: [],
        collect() {
          const { p50Ms, p95Ms, p99Ms } = read(stats())
          this.set({ quantile: '0.5' }, p50Ms)
          this.set({ quantile: '0.95' }, p95Ms)
          this.set({ quantile: '0.99' }, p99Ms)
        },
      }),
    )
  }
  gauge('pool_in_use', 'Connections that are lent', ({ connectionPool }) => connectionPool.checkedOut)
  gauge('pool_idle', 'Connections that are idle', ({ connectionPool }) => connectionPool.checkedIn)
  gauge('pool_waiting', 'Callers in line for a connection', ({ connectionPool }) => connectionPool.waiting)
  gauge('pool_overflow', 'Connections above the base size', ({ connectionPool }) => connectionPool.overflow)
  gauge(
    'pool_acquire_timeouts',
    'Callers whose turn did not come',
    ({ connectionPool }) => connectionPool.acquireTimeouts,
  )
  gauge('pool_invalid', 'Connections that broke', ({ connectionPool }) => connectionPool.invalidConnections)
  gauge('pool_leaks', 'Loans that lasted too long', ({ connectionPool }) => connectionPool.leaks)
  quantiles('pool_acquire', 'Time until a connection is lent', ({ connectionPool }) => connectionPool.acquire)
  quantiles('pool_usage', 'Time that a connection is lent for', ({ connectionPool }) => connectionPool.usage)
  quantiles('pool_create', 'Time until a new connection is open', ({ connectionPool }) => connectionPool.create)
  gauge('queries', 'Queries, cached ones included', ({ queryPerformance }) => queryPerformance.queryCount)
  gauge('queries_slow', 'Queries above the slow threshold', ({ queryPerformance }) => queryPerformance.slowQueries)
  gauge('result_hits', 'Reads answered from results', ({ queryPerformance }) => queryPerformance.cacheHits)
  gauge('result_misses', 'Reads that had to ask', ({ queryPerformance }) => queryPerformance.cacheMisses)
  gauge('prepared_uses', 'Executions of prepared statements', (all) => all.queryPerformance.preparedStatementUsage)
  return registry
}

/** All gauges of one collection share one reading. */
function oncePerTurn<T>(read: () => T): () => T {
  let kept: { readonly value: T } | null = null
  return () => {
    if (kept === null) {
      kept = { value: read() }
      setImmediate(() => (kept = null))
    }
    return kept.value
  }
}
