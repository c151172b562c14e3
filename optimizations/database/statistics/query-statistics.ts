import { LRUCache } from 'lru-cache'
import type { FingerprintStats, QueryStats } from '../database-stats.ts'
import type { Executed } from '../pool/pooled-connection.ts'
import { LogHistogram } from './log-histogram.ts'

interface Entry {
  readonly fingerprint: string
  readonly execute: LogHistogram
  rows: number
  errors: number
  cacheHits: number
  acquireMs: number
  /** A moving mean of the time in the server's hands, which forgets the first, unprepared ones. */
  recentMs: number
}

const RECENT_WEIGHT = 0.2

/** What was run, by shape. Rows read from a cache count as queries that took no time in the database. */
export class QueryStatistics {
  readonly #entries: LRUCache<string, Entry>
  readonly #slowAfterMs: number
  #queries = 0
  #totalMs = 0
  #slow = 0
  #hits = 0
  #misses = 0

  constructor(options: { readonly maxFingerprints: number; readonly slowAfterMs: number }) {
    this.#entries = new LRUCache({ max: options.maxFingerprints })
    this.#slowAfterMs = options.slowAfterMs
  }

  get size(): number {
    return this.#entries.size
  }

  executed({ call, executeMs, serviceMs, answer, error }: Executed): void {
    const { kind } = call.analysis
    if (kind === 'transaction' || kind === 'session') return
    const entry = this.#entry(call.analysis.fingerprint)
    entry.execute.record(executeMs)
    entry.acquireMs += call.acquireMs
    entry.recentMs += entry.execute.count === 1 ? serviceMs : RECENT_WEIGHT * (serviceMs - entry.recentMs)
    entry.rows += answer?.rowCount ?? 0
    if (error !== null) entry.errors += 1
    this.#queries += 1
    this.#totalMs += executeMs
    if (executeMs >= this.#slowAfterMs) this.#slow += 1
  }

  hit(fingerprint: string): void {
    this.#queries += 1
    this.#hits += 1
    this.#entry(fingerprint).cacheHits += 1
  }

  missed(): void {
    this.#misses += 1
  }

  /** The costliest shapes first. */
  top(count: number): readonly FingerprintStats[] {
    const entries = [...this.#entries.values()].sort((one, other) => other.execute.totalMs - one.execute.totalMs)
    return entries.slice(0, count).map((entry) => ({
      fingerprint: entry.fingerprint,
      count: entry.execute.count,
      rows: entry.rows,
      errors: entry.errors,
      cacheHits: entry.cacheHits,
      totalMs: entry.execute.totalMs,
      p50Ms: entry.execute.percentileMs(50),
      p95Ms: entry.execute.percentileMs(95),
      p99Ms: entry.execute.percentileMs(99),
      acquireMeanMs: entry.execute.count === 0 ? 0 : entry.acquireMs / entry.execute.count,
    }))
  }

  /** What one execution has cost of late; 0 when there was none. */
  recentMs(fingerprint: string): number {
    return this.#entries.peek(fingerprint)?.recentMs ?? 0
  }

  totals(preparedStatementUsage: number): QueryStats {
    const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole)
    const executed = this.#queries - this.#hits
    return {
      queryCount: this.#queries,
      totalTimeMs: this.#totalMs,
      avgQueryTimeMs: ratio(this.#totalMs, executed),
      slowQueries: this.#slow,
      slowQueryRate: ratio(this.#slow, executed),
      cacheHits: this.#hits,
      cacheMisses: this.#misses,
      cacheHitRate: ratio(this.#hits, this.#hits + this.#misses),
      preparedStatementUsage,
    }
  }

  #entry(fingerprint: string): Entry {
    const known = this.#entries.get(fingerprint)
    if (known !== undefined) return known
    const entry = {
      fingerprint,
      execute: new LogHistogram(),
      rows: 0,
      errors: 0,
      cacheHits: 0,
      acquireMs: 0,
      recentMs: 0,
    }
    this.#entries.set(fingerprint, entry)
    return entry
  }
}
