import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'

export interface HistogramSnapshot {
  readonly count: number
  readonly meanMs: number
  readonly maxMs: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
}

const MICROSECONDS = 1_000
const EMPTY: HistogramSnapshot = { count: 0, meanMs: 0, maxMs: 0, p50Ms: 0, p95Ms: 0, p99Ms: 0 }

/** Durations in milliseconds, kept in microsecond resolution with three significant digits in constant memory. */
export class LatencyHistogram {
  readonly #values: RecordableHistogram = createHistogram({ figures: 3 })

  record(ms: number): void {
    // The histogram holds integers from 1 upward; what is faster than a microsecond counts as one.
    this.#values.record(Math.max(1, Math.round(ms * MICROSECONDS)))
  }

  snapshot(): HistogramSnapshot {
    const values = this.#values
    if (values.count === 0) return EMPTY
    const percentile = (p: number): number => values.percentile(p) / MICROSECONDS
    return {
      count: values.count,
      meanMs: values.mean / MICROSECONDS,
      maxMs: values.max / MICROSECONDS,
      p50Ms: percentile(50),
      p95Ms: percentile(95),
      p99Ms: percentile(99),
    }
  }

  reset(): void {
    this.#values.reset()
  }
}
