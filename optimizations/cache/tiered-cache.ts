import type { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import type { Clock } from '#optimizations/kernel/clock.ts'
import type { Health } from '#optimizations/kernel/health.ts'
import { cacheKey, type CacheKey, type KeyPart } from './cache-key.ts'
import type { CacheStatistics } from './cache-statistics.ts'
import type {
  Cache,
  CacheEntry,
  CachedFunctionOptions,
  EntryOptions,
  Invalidation,
  Load,
  ReadOptions,
} from './cache.ts'
import { requireTags, resolveEntryOptions } from './entry-options.ts'
import type { EntryWriter } from './entry-writer.ts'
import type { FailureBackoff } from './failure-backoff.ts'
import type { Invalidator } from './invalidator.ts'
import type { KeyFlight, KeyFlights } from './key-flights.ts'
import type { LeasedLoader } from './leased-loader.ts'
import type { MemoryPermit } from './local-tier.ts'
import { ABSENT, Entry, type Reading } from './entry.ts'
import type { MemoryTier } from './memory-tier.ts'
import type { RemoteReader } from './remote-reader.ts'
import type { StatisticsRecorder, Tier } from './statistics-recorder.ts'
import type { TickClock } from './tick-clock.ts'

export interface TieredCacheDependencies {
  readonly memory: MemoryTier
  readonly permit: Readonly<MemoryPermit>
  readonly flights: KeyFlights
  readonly reader: RemoteReader
  readonly loader: LeasedLoader
  readonly writer: EntryWriter
  readonly invalidator: Invalidator
  readonly backoff: FailureBackoff
  readonly statistics: StatisticsRecorder
  readonly clock: Clock
  readonly ticks: TickClock
  readonly tasks: BackgroundTasks
  readonly health: () => Promise<Health>
  readonly stop: () => Promise<void>
}

const NO_OPTIONS: ReadOptions = {}
/** While another process refreshes, a stale value is served; this often it is asked whether it still does. */
const REFRESH_AGAIN_MS = 100
const NOTHING_TO_DO: Invalidation = { acknowledged: true, removed: 0 }

interface Request {
  readonly load: Load<unknown>
  readonly options: ReadOptions
}

/** The way of a read through the tiers. A hit in memory is synchronous, and allocates nothing. */
export class TieredCache implements Cache {
  readonly #deps: TieredCacheDependencies
  readonly #memory: MemoryTier
  readonly #permit: Readonly<MemoryPermit>
  readonly #statistics: StatisticsRecorder
  readonly #ticks: TickClock

  constructor(deps: TieredCacheDependencies) {
    this.#deps = deps
    this.#memory = deps.memory
    this.#permit = deps.permit
    this.#statistics = deps.statistics
    this.#ticks = deps.ticks
  }

  getOrSet<T>(key: CacheKey, load: Load<T>, options: ReadOptions = NO_OPTIONS): Promise<T> {
    const entry = this.#memory.get(key)
    if (entry !== undefined && options.refresh !== true) {
      const now = this.#ticks.now()
      if (now < entry.refreshFrom && now < this.#permit.validUntil && entry.isCurrent) {
        this.#countHit(key, entry)
        return entry.promise as Promise<T>
      }
    }
    return this.#getOrLoad(key, { load, options }) as Promise<T>
  }

  async get<T>(key: CacheKey): Promise<T | undefined> {
    const entry = this.#fresh(key)
    if (entry === undefined) return this.#getRemote<T>(key)
    this.#countHit(key, entry)
    return entry.value as T
  }

  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- only the caller knows what it stored
  peek<T>(key: CacheKey): T | undefined {
    return this.#fresh(key)?.value as T | undefined
  }

  async getMany<T>(keys: readonly CacheKey[]): Promise<(T | undefined)[]> {
    // What is not in memory is asked for in one turn, and so in one round trip.
    return Promise.all(keys.map((key) => this.get<T>(key)))
  }

  async set(key: CacheKey, value: unknown, options?: EntryOptions): Promise<boolean> {
    return this.setMany([{ key, value }], options)
  }

  async setMany(entries: readonly CacheEntry[], options: EntryOptions = NO_OPTIONS): Promise<boolean> {
    const resolved = resolveEntryOptions(options)
    const kept = entries.filter(({ value }) => value !== undefined)
    if (kept.length < entries.length) return false
    return kept.length === 0 || this.#deps.writer.write(kept, resolved)
  }

  async delete(key: CacheKey | readonly CacheKey[]): Promise<Invalidation> {
    const keys = typeof key === 'string' ? [key] : key
    return keys.length === 0 ? NOTHING_TO_DO : this.#deps.invalidator.keys(keys)
  }

  async invalidateTags(tags: readonly string[]): Promise<Invalidation> {
    requireTags(tags)
    return tags.length === 0 ? NOTHING_TO_DO : this.#deps.invalidator.tags(tags)
  }

  async deletePattern(pattern: string): Promise<Invalidation> {
    return this.#deps.invalidator.pattern(pattern)
  }

  cached<A extends readonly KeyPart[], T>(load: (...args: A) => Promise<T> | T, options: CachedFunctionOptions) {
    return (...args: A): Promise<T> => this.getOrSet<T>(cacheKey(options.name, ...args), () => load(...args), options)
  }

  health(): Promise<Health> {
    return this.#deps.health()
  }

  stats(): CacheStatistics {
    return this.#statistics.snapshot({ entries: this.#memory.size, bytes: this.#memory.bytes })
  }

  idle(): Promise<void> {
    return this.#deps.tasks.idle()
  }

  stop(): Promise<void> {
    return this.#deps.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /** The entry in memory that may be served at least as a stale one. */
  #remembered(key: CacheKey): Entry | undefined {
    const entry = this.#memory.peek(key)
    if (entry === undefined) return undefined
    const now = this.#ticks.now()
    return now < this.#permit.validUntil && now < entry.staleUntil && entry.isCurrent ? entry : undefined
  }

  #fresh(key: CacheKey): Entry | undefined {
    const entry = this.#remembered(key)
    return entry !== undefined && this.#ticks.now() < entry.freshUntil ? entry : undefined
  }

  #countHit(key: CacheKey, entry: Entry): void {
    const statistics = this.#statistics
    if (!statistics.countsHits) return
    if (statistics.countMemoryHit()) this.#timeHit(key)
    if (entry.value === null) statistics.counts.negativeHits += 1
    statistics.published(key, 'memory')
  }

  /** What the lookup that has just been made takes, by making it again. */
  #timeHit(key: CacheKey): void {
    const begun = this.#deps.clock.monotonic()
    this.#remembered(key)
    this.#statistics.latency.memoryGet.record(this.#deps.clock.monotonic() - begun)
  }

  async #getRemote<T>(key: CacheKey): Promise<T | undefined> {
    const { clock, flights, reader } = this.#deps
    const flight = flights.open(key)
    try {
      const reading = await reader.read(flight)
      if (reading instanceof Entry && clock.monotonic() < reading.freshUntil) {
        this.#statistics.hit(key, reading.value, 'redis')
        return reading.value as T
      }
      this.#statistics.missed(key)
      return undefined
    } finally {
      flights.close(flight)
    }
  }

  #getOrLoad(key: CacheKey, request: Request): Promise<unknown> {
    const { flights } = this.#deps
    const { refresh, signal } = request.options
    if (refresh === true) return this.#answer(flights.begin(key), request)
    const flight = flights.open(key)
    if (flight.isJoinable && signal === undefined) {
      if (flight.load === undefined) flight.joined += 1
      else this.#statistics.missed(key)
      const { answer } = flight
      flights.close(flight)
      return answer!
    }
    const answer = this.#answer(flight, request)
    // Who has a signal may leave; the others must not leave with it.
    if (signal === undefined) flight.answer ??= answer
    return answer
  }

  async #answer(flight: KeyFlight, request: Request): Promise<unknown> {
    const { flights, reader } = this.#deps
    try {
      if (request.options.refresh === true) return await this.#load(flight, ABSENT, request)
      const remembered = this.#remembered(flight.key)
      if (remembered !== undefined) return await this.#serveAging(flight, remembered, 'memory', request)
      if (flight.load?.isCurrent === true) return await this.#load(flight, ABSENT, request)
      const reading = await reader.read(flight)
      if (!(reading instanceof Entry)) return await this.#load(flight, reading, request)
      if (this.#ticks.now() >= reading.refreshFrom) return await this.#serveAging(flight, reading, 'redis', request)
      do this.#statistics.hit(flight.key, reading.value, 'redis')
      while (flight.takeJoined())
      return reading.value
    } finally {
      flight.answer = undefined
      flights.close(flight)
    }
  }

  /** Nothing to serve: this caller waits for the load, whoever began it. */
  async #load(flight: KeyFlight, found: Reading, { load, options }: Request): Promise<unknown> {
    const { backoff, clock, loader } = this.#deps
    do this.#statistics.missed(flight.key)
    while (flight.takeJoined())
    const current = flight.load
    if (current?.isCurrent === true) return current.join(options.signal)
    const isForced = options.refresh === true
    const failure = isForced ? undefined : backoff.blocking(flight.key, clock.monotonic())
    if (failure !== undefined) {
      this.#statistics.counts.backedOff += 1
      throw failure.error
    }
    const resolved = resolveEntryOptions(options)
    return loader.begin(flight, { load, options: resolved, found, isForced, isBackground: false }).join(options.signal)
  }

  /** A value that may be served, and should be replaced: before its end by chance, after it because it is stale. */
  async #serveAging(flight: KeyFlight, entry: Entry, tier: Tier, { load, options }: Request): Promise<unknown> {
    const { backoff, clock, loader, tasks } = this.#deps
    const now = clock.monotonic()
    const resolved = resolveEntryOptions(options)
    if (now >= entry.nextRefresh && flight.load === undefined && backoff.blocking(flight.key, now) === undefined) {
      entry.nextRefresh = now + REFRESH_AGAIN_MS
      // One early refresh for each copy: until its end it is a plain hit again.
      entry.refreshFrom = entry.freshUntil
      const job = { load, options: resolved, found: entry, isForced: false, isBackground: true }
      const { promise } = loader.begin(flight, job)
      tasks.run('refresh', () => promise)
    }
    const isStale = now >= entry.freshUntil
    do this.#statistics.hit(flight.key, entry.value, tier, isStale)
    while (flight.takeJoined())
    if (!isStale || flight.load === undefined || resolved.softTimeoutMs === 0) return entry.value
    const stop = new AbortController()
    const late = clock.sleep(resolved.softTimeoutMs, stop.signal).then(() => entry.value)
    const refreshed = flight.load.promise.catch(() => entry.value)
    return Promise.race([refreshed, late.catch(() => entry.value)]).finally(() => stop.abort())
  }
}
