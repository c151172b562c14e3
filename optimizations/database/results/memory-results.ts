import { LRUCache } from 'lru-cache'
import type { Clock } from '#optimizations/kernel/clock.ts'
import type { TableVersions } from './table-versions.ts'

export interface LoadedResult<T> {
  readonly value: T
  /** By estimate; weighs against `maxBytes`. */
  readonly bytes: number
  /** The tables that the value depends on; null when it must not be kept. */
  readonly tables: ReadonlySet<string> | null
  readonly ttlMs: number
}

interface Kept {
  readonly value: unknown
  readonly since: number
  readonly tables: ReadonlySet<string>
  readonly expiresAt: number
}

interface Flight {
  readonly since: number
  readonly result: Promise<unknown>
}

export interface MemoryResultsDeps {
  readonly clock: Clock
  readonly versions: TableVersions
  /** Whether this process hears of the writes of others at the moment. */
  readonly isTrusted: () => boolean
}

/**
 * Results in this process, each good until a table that it was read from is written to. Validity is judged when a
 * result is asked for, by comparing counters, so a write has nothing to search or to delete. A read that was under way
 * during a write is never kept, and nobody who comes after the write joins it.
 */
export class MemoryResults {
  readonly #deps: MemoryResultsDeps
  readonly #kept: LRUCache<string, Kept>
  readonly #flights = new Map<string, Flight>()

  constructor(deps: MemoryResultsDeps, options: { readonly maxBytes: number }) {
    this.#deps = deps
    this.#kept = new LRUCache({ maxSize: options.maxBytes, maxEntrySize: options.maxBytes / 16 })
  }

  get isTrusted(): boolean {
    return this.#deps.isTrusted()
  }

  get bytes(): number {
    return this.#kept.calculatedSize
  }

  /** `tables` are those that are known beforehand; without them, any write ends the sharing of a load under way. */
  async getOrLoad<T>(
    key: string,
    tables: ReadonlySet<string> | null,
    load: () => Promise<LoadedResult<T>>,
    onHit: () => void,
  ): Promise<T> {
    const { clock, versions, isTrusted } = this.#deps
    if (!isTrusted()) return (await load()).value
    const kept = this.#kept.get(key)
    if (kept !== undefined && kept.expiresAt > clock.monotonic() && versions.isCurrent(kept.tables, kept.since)) {
      onHit()
      return kept.value as T
    }
    const flight = this.#flights.get(key)
    if (flight !== undefined && this.#isUntouched(tables, flight.since)) {
      onHit()
      return (await flight.result) as T
    }
    return await this.#load(key, load)
  }

  async #load<T>(key: string, load: () => Promise<LoadedResult<T>>): Promise<T> {
    const { clock, versions, isTrusted } = this.#deps
    const since = versions.now()
    const loading = load()
    const flight = { since, result: loading.then(({ value }) => value) }
    this.#flights.set(key, flight)
    // Nobody may have joined: a failure is the first caller's, not an unhandled one.
    flight.result.catch(() => undefined)
    try {
      const { value, bytes, tables, ttlMs } = await loading
      if (tables !== null && ttlMs > 0 && isTrusted() && versions.isCurrent(tables, since)) {
        this.#kept.set(
          key,
          { value, since, tables, expiresAt: clock.monotonic() + ttlMs },
          { size: Math.max(1, bytes) },
        )
      }
      return value
    } finally {
      if (this.#flights.get(key) === flight) this.#flights.delete(key)
    }
  }

  #isUntouched(tables: ReadonlySet<string> | null, since: number): boolean {
    const { versions } = this.#deps
    return tables === null ? versions.now() === since : versions.isCurrent(tables, since)
  }
}
