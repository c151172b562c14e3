import type { HistogramSnapshot } from '#optimizations/kernel/histogram.ts'

export interface StatementUsage {
  readonly registeredStatements: readonly string[]
  readonly usageStats: Readonly<Record<string, { readonly uses: number; readonly lastUsedAt: Date | null }>>
  readonly totalUsage: number
}

export interface PoolStats {
  readonly poolSize: number
  readonly checkedIn: number
  readonly checkedOut: number
  readonly overflow: number
  readonly totalConnections: number
  readonly invalidConnections: number
  readonly openedConnections: number
  readonly waiting: number
  readonly acquireTimeouts: number
  readonly leaks: number
  readonly acquire: HistogramSnapshot
  readonly usage: HistogramSnapshot
  readonly create: HistogramSnapshot
}

export interface QueryStats {
  readonly queryCount: number
  readonly totalTimeMs: number
  readonly avgQueryTimeMs: number
  readonly slowQueries: number
  readonly slowQueryRate: number
  readonly cacheHits: number
  readonly cacheMisses: number
  readonly cacheHitRate: number
  readonly preparedStatementUsage: number
}

/** One query shape. Times are of the execution alone; waiting for a connection is apart. */
export interface FingerprintStats {
  readonly fingerprint: string
  readonly count: number
  readonly rows: number
  readonly errors: number
  readonly cacheHits: number
  readonly totalMs: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
  readonly acquireMeanMs: number
}
