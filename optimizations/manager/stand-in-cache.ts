import { cacheKey, type CacheKey, type KeyPart } from '#optimizations/cache/cache-key.ts'
import type {
  Cache,
  CachedFunctionOptions,
  CacheEntry,
  EntryOptions,
  Invalidation,
  Load,
  ReadOptions,
} from '#optimizations/cache/cache.ts'
import type { CacheStatistics } from '#optimizations/cache/cache-statistics.ts'
import { createPassThroughCache } from '#optimizations/cache/pass-through-cache.ts'
import type { Health } from '#optimizations/kernel/health.ts'

/** More than this is not remembered one by one: then everything is invalidated. */
const MAX_REMEMBERED = 10_000

type Invalidate = (cache: Cache) => Promise<Invalidation>

/**
 * Stands in for a cache that could not be started: every read loads. Other processes may share a cache meanwhile, so
 * what is invalidated here is remembered, and done on the real cache before its first use.
 */
export class StandInCache implements Cache {
  readonly #missed = new Map<string, Invalidate>()
  readonly #reason: () => string
  #hasForgotten = false
  #cache: Cache = createPassThroughCache()
  #isReal = false

  /** `reason` says why the real cache is not there. */
  constructor(reason: () => string) {
    this.#reason = reason
  }

  /** From here on every call goes to `cache`. */
  async become(cache: Cache): Promise<void> {
    while (this.#missed.size > 0 || this.#hasForgotten) {
      const invalidations = this.#hasForgotten ? [everything] : [...this.#missed.values()]
      this.#hasForgotten = false
      this.#missed.clear()
      await Promise.all(invalidations.map((invalidate) => invalidate(cache)))
    }
    this.#cache = cache
    this.#isReal = true
  }

  getOrSet<T>(key: CacheKey, load: Load<T>, options?: ReadOptions): Promise<T> {
    return this.#cache.getOrSet(key, load, options)
  }

  get<T>(key: CacheKey): Promise<T | undefined> {
    return this.#cache.get(key)
  }

  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- only the caller knows what it stored
  peek<T>(key: CacheKey): T | undefined {
    return this.#cache.peek(key)
  }

  getMany<T>(keys: readonly CacheKey[]): Promise<(T | undefined)[]> {
    return this.#cache.getMany(keys)
  }

  async set(key: CacheKey, value: unknown, options?: EntryOptions): Promise<boolean> {
    if (this.#isReal) return this.#cache.set(key, value, options)
    this.#remember(`key ${key}`, (cache) => cache.delete(key))
    return false
  }

  async setMany(entries: readonly CacheEntry[], options?: EntryOptions): Promise<boolean> {
    if (this.#isReal) return this.#cache.setMany(entries, options)
    for (const { key } of entries) this.#remember(`key ${key}`, (cache) => cache.delete(key))
    return false
  }

  async delete(key: CacheKey | readonly CacheKey[]): Promise<Invalidation> {
    if (this.#isReal) return this.#cache.delete(key)
    const keys = typeof key === 'string' ? [key] : key
    for (const one of keys) this.#remember(`key ${one}`, (cache) => cache.delete(one))
    return NOT_YET
  }

  async invalidateTags(tags: readonly string[]): Promise<Invalidation> {
    if (this.#isReal) return this.#cache.invalidateTags(tags)
    for (const tag of tags) this.#remember(`tag ${tag}`, (cache) => cache.invalidateTags([tag]))
    return NOT_YET
  }

  async deletePattern(pattern: string): Promise<Invalidation> {
    if (this.#isReal) return this.#cache.deletePattern(pattern)
    this.#remember(`pattern ${pattern}`, (cache) => cache.deletePattern(pattern))
    return NOT_YET
  }

  cached<A extends readonly KeyPart[], T>(load: (...args: A) => Promise<T> | T, options: CachedFunctionOptions) {
    // The key is made here, because the function outlives the time of standing in.
    return (...args: A): Promise<T> => this.getOrSet(cacheKey(options.name, ...args), () => load(...args), options)
  }

  async health(): Promise<Health> {
    return this.#isReal ? this.#cache.health() : { status: 'unhealthy', reasons: [this.#reason()] }
  }

  stats(): CacheStatistics {
    return this.#cache.stats()
  }

  idle(): Promise<void> {
    return this.#cache.idle()
  }

  stop(): Promise<void> {
    return this.#cache.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #remember(what: string, invalidate: Invalidate): void {
    if (this.#missed.size < MAX_REMEMBERED) this.#missed.set(what, invalidate)
    else this.#hasForgotten = true
  }
}

const NOT_YET: Invalidation = { acknowledged: false, removed: 0 }
const everything: Invalidate = (cache) => cache.deletePattern('*')
