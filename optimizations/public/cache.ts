/** `hotpath/cache`: the cache by itself. With a URL it needs ioredis, without one nothing. */
export { startCache, type CacheDependencies, type CacheOptions } from '#optimizations/cache/start-cache.ts'
export { createPassThroughCache } from '#optimizations/cache/pass-through-cache.ts'
export { cacheKey, type CacheKey, type KeyPart } from '#optimizations/cache/cache-key.ts'
export { CacheError, type CacheErrorCode } from '#optimizations/cache/cache-error.ts'
export type { Cache, CachedFunctionOptions, CacheEntry, EntryOptions } from '#optimizations/cache/cache.ts'
export type { Invalidation, Load, LoadContext, ReadOptions } from '#optimizations/cache/cache.ts'
