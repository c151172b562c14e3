import type { Registry } from 'prom-client'
import { systemClock, type Clock } from '#optimizations/kernel/clock.ts'
import { systemRandom, type Random } from '#optimizations/kernel/random.ts'
import { assembleCache } from './assemble-cache.ts'
import { registerCacheMetrics } from './cache-metrics.ts'
import { resolveCacheOptions, type CacheOptions, type ResolvedCacheOptions } from './cache-options.ts'
import type { Cache } from './cache.ts'
import type { Remote } from './remote.ts'

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
  const remote = resolved.url === undefined ? undefined : await createRemote(resolved.url, resolved, { clock, random })
  const cache = await assembleCache({ remote, clock, random, onError }, resolved)
  if (registry !== undefined) registerCacheMetrics(registry, cache)
  return cache
}

/** Loaded here, so that a cache in the memory of the process needs no ioredis. */
async function createRemote(
  url: string,
  options: ResolvedCacheOptions,
  deps: Required<Pick<CacheDependencies, 'clock' | 'random'>>,
): Promise<Remote> {
  const { createRedisRemote } = await import('./redis/create-remote.ts')
  return createRedisRemote(url, options, deps)
}
