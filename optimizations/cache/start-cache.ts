import type { Registry } from 'prom-client'
import { systemClock, type Clock } from '#optimizations/kernel/clock.ts'
import { systemRandom, type Random } from '#optimizations/kernel/random.ts'
import { assembleCache } from './assemble-cache.ts'
import { registerCacheMetrics } from './cache-metrics.ts'
import { resolveCacheOptions, type CacheOptions } from './cache-options.ts'
import type { Cache } from './cache.ts'
import { createRedisRemote } from './redis/create-remote.ts'

export type { CacheOptions } from './cache-options.ts'

export interface CacheDependencies {
  readonly clock?: Clock
  readonly random?: Random
  /** Metrics are registered here when it is given; one cache to a registry. */
  readonly registry?: Registry
  /** Told of every fault that a caller does not see. */
  readonly onError?: (reason: string, error: unknown) => void
}

/**
 * Starts a cache. Rejects for invalid options only: a Redis that is away makes it begin degraded, and it recovers by
 * itself as soon as Redis answers.
 */
export async function startCache(options: CacheOptions, deps: CacheDependencies = {}): Promise<Cache> {
  const resolved = resolveCacheOptions(options)
  const { clock = systemClock, random = systemRandom, onError = () => undefined, registry } = deps
  const remote = resolved.url === undefined ? undefined : createRedisRemote(resolved.url, resolved, { clock, random })
  const cache = await assembleCache({ remote, clock, random, onError }, resolved)
  if (registry !== undefined) registerCacheMetrics(registry, cache)
  return cache
}
