import { Redis } from 'ioredis'
import { LRUCache } from 'lru-cache'
import { Packr } from 'msgpackr'
import type { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import type { Clock } from '#optimizations/kernel/clock.ts'
import type { Health } from '#optimizations/kernel/health.ts'
import type { Random } from '#optimizations/kernel/random.ts'
import { TTL_MS } from './cache-defaults.ts'
import { cacheKey, type CacheKey, type KeyPart } from './cache-key.ts'
import { emptyStatistics, type CacheStatistics } from './cache-statistics.ts'
import type {
  Cache,
  CacheEntry,
  CachedFunctionOptions,
  EntryOptions,
  Invalidation,
  Load,
  ReadOptions,
} from './cache.ts'

interface Stored {
  readonly value: unknown
  readonly until: number
  readonly tags: readonly string[]
  readonly versions: readonly (string | null)[]
}

/** Stands in while the engine grows: Redis with tag counters, one load per key and process. */
export class FirstCutCache implements Cache {
  readonly #redis: Redis | undefined
  readonly #local = new LRUCache<string, Stored>({ max: 10_000 })
  readonly #loads = new Map<CacheKey, Promise<unknown>>()
  readonly #packer = new Packr()
  readonly #prefix: string
  readonly #clock: Clock
  readonly #tasks: BackgroundTasks
  #hits = 0
  #misses = 0

  constructor(
    deps: { clock: Clock; tasks: BackgroundTasks; random: Random },
    options: { url?: string | undefined; namespace: string },
  ) {
    this.#clock = deps.clock
    this.#tasks = deps.tasks
    this.#prefix = `${options.namespace}:`
    if (options.url === undefined) return
    this.#redis = new Redis(options.url, {
      lazyConnect: true,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      commandTimeout: 250,
    })
    this.#redis.on('error', () => undefined)
  }

  async start(): Promise<void> {
    await this.#redis?.connect().catch(() => undefined)
  }

  async getOrSet<T>(key: CacheKey, load: Load<T>, options: ReadOptions = {}): Promise<T> {
    const stored = options.refresh === true ? undefined : await this.#read(key)
    if (stored !== undefined) return stored.value as T
    const running = this.#loads.get(key)
    if (running !== undefined) return running as Promise<T>
    const loading = this.#load(key, load, options).finally(() => this.#loads.delete(key))
    this.#loads.set(key, loading)
    return loading
  }

  async get<T>(key: CacheKey): Promise<T | undefined> {
    return (await this.#read(key))?.value as T | undefined
  }

  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- only the caller knows what it stored
  peek<T>(key: CacheKey): T | undefined {
    return this.#redis === undefined ? (this.#local.peek(key)?.value as T | undefined) : undefined
  }

  async getMany<T>(keys: readonly CacheKey[]): Promise<(T | undefined)[]> {
    return Promise.all(keys.map((key) => this.get<T>(key)))
  }

  async set(key: CacheKey, value: unknown, options: EntryOptions = {}): Promise<boolean> {
    return this.#write(key, value, options, await this.#versions(options.tags ?? []).catch(() => []))
  }

  async setMany(entries: readonly CacheEntry[], options?: EntryOptions): Promise<boolean> {
    const stored = await Promise.all(entries.map(({ key, value }) => this.set(key, value, options)))
    return stored.every(Boolean)
  }

  async delete(key: CacheKey | readonly CacheKey[]): Promise<Invalidation> {
    const keys = typeof key === 'string' ? [key] : key
    for (const one of keys) this.#local.delete(one)
    return this.#invalidate((redis) => redis.unlink(keys.map((one) => `${this.#prefix}e:${one}`)))
  }

  async invalidateTags(tags: readonly string[]): Promise<Invalidation> {
    return this.#invalidate(async (redis) => {
      await Promise.all(tags.map((tag) => redis.incr(`${this.#prefix}t:${tag}`)))
      return 0
    })
  }

  async deletePattern(pattern: string): Promise<Invalidation> {
    return this.#invalidate(async (redis) => {
      let removed = 0
      for await (const keys of redis.scanStream({ match: `${this.#prefix}e:${pattern}` }) as AsyncIterable<string[]>) {
        if (keys.length > 0) removed += await redis.unlink(keys)
      }
      return removed
    })
  }

  cached<A extends readonly KeyPart[], T>(load: (...args: A) => Promise<T> | T, options: CachedFunctionOptions) {
    return async (...args: A): Promise<T> =>
      this.getOrSet(cacheKey(options.name, ...args), () => load(...args), options)
  }

  async health(): Promise<Health> {
    if (this.#redis === undefined) return { status: 'healthy', reasons: [] }
    const begun = this.#clock.monotonic()
    try {
      await this.#redis.ping()
      return { status: 'healthy', reasons: [], roundTripMs: this.#clock.monotonic() - begun }
    } catch {
      return { status: 'degraded', reasons: ['Redis does not answer: reads go to the loader'] }
    }
  }

  stats(): CacheStatistics {
    const reads = this.#hits + this.#misses
    const hitRate = reads === 0 ? 0 : this.#hits / reads
    return { ...emptyStatistics(this.#prefix.slice(0, -1)), hits: this.#hits, misses: this.#misses, hitRate }
  }

  async idle(): Promise<void> {
    await this.#tasks.idle()
  }

  async stop(): Promise<void> {
    await this.idle()
    this.#redis?.disconnect()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #load<T>(key: CacheKey, load: Load<T>, options: ReadOptions): Promise<T> {
    const tags = options.tags ?? []
    const versions = await this.#versions(tags).catch(() => undefined)
    let keep = versions !== undefined
    let ttlMs = options.ttlMs
    const signal = options.signal ?? new AbortController().signal
    const value = await load({ signal, keepFor: (ms) => (ttlMs = ms), doNotKeep: () => (keep = false) })
    if (keep && value !== undefined) await this.#write(key, value, { ...options, ttlMs }, versions ?? [])
    return value
  }

  async #versions(tags: readonly string[]): Promise<readonly (string | null)[]> {
    if (this.#redis === undefined || tags.length === 0) return []
    return this.#redis.mget(tags.map((tag) => `${this.#prefix}t:${tag}`))
  }

  async #read(key: CacheKey): Promise<Stored | undefined> {
    const stored = await this.#fetch(key).catch(() => undefined)
    const current = stored === undefined ? [] : await this.#versions(stored.tags).catch(() => null)
    const fresh =
      stored !== undefined && stored.until > this.#clock.now() && String(current) === String(stored.versions)
    if (fresh) this.#hits += 1
    else this.#misses += 1
    return fresh ? stored : undefined
  }

  async #fetch(key: CacheKey): Promise<Stored | undefined> {
    if (this.#redis === undefined) return this.#local.get(key)
    const bytes = await this.#redis.getBuffer(`${this.#prefix}e:${key}`)
    return bytes === null ? undefined : (this.#packer.unpack(bytes) as Stored)
  }

  async #write(key: CacheKey, value: unknown, options: EntryOptions, versions: readonly (string | null)[]) {
    const tags = options.tags ?? []
    const ttlMs = options.ttlMs ?? TTL_MS.standard
    const stored: Stored = { value, tags, versions, until: this.#clock.now() + ttlMs }
    this.#local.set(key, stored)
    if (this.#redis === undefined) return true
    const done = await this.#redis
      .set(`${this.#prefix}e:${key}`, this.#packer.pack(stored), 'PX', ttlMs)
      .catch(() => null)
    return done !== null
  }

  async #invalidate(work: (redis: Redis) => Promise<number>): Promise<Invalidation> {
    if (this.#redis === undefined) {
      this.#local.clear()
      return { acknowledged: true, removed: 0 }
    }
    try {
      return { acknowledged: true, removed: await work(this.#redis) }
    } catch {
      return { acknowledged: false, removed: 0 }
    }
  }
}
