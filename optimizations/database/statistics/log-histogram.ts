/** Eight buckets to each doubling: a percentile is at most 9 percent above the true one. */
const STEPS = 8
const BUCKETS = 32 * STEPS
const MICROSECONDS = 1_000

/** Durations from a microsecond to an hour in a kilobyte: light enough to keep one for every query shape. */
export class LogHistogram {
  readonly #buckets = new Uint32Array(BUCKETS)
  #count = 0
  #totalMs = 0

  get count(): number {
    return this.#count
  }

  get totalMs(): number {
    return this.#totalMs
  }

  record(ms: number): void {
    const step = Math.ceil(Math.log2(Math.max(1, ms * MICROSECONDS)) * STEPS)
    const bucket = Math.min(BUCKETS - 1, step)
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1
    this.#count += 1
    this.#totalMs += ms
  }

  /** The upper bound of the bucket that holds the percentile; 0 when nothing was recorded. */
  percentileMs(percent: number): number {
    let missing = Math.ceil((percent / 100) * this.#count)
    for (const [bucket, count] of this.#buckets.entries()) {
      missing -= count
      if (count > 0 && missing <= 0) return 2 ** (bucket / STEPS) / MICROSECONDS
    }
    return 0
  }
}
