import type { Registry } from 'prom-client'
import { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import { systemClock, type Clock } from '#optimizations/kernel/clock.ts'
import { systemRandom, type Random } from '#optimizations/kernel/random.ts'
import { CacheError } from './cache-error.ts'
import type { Cache } from './cache.ts'
import { FirstCutCache } from './first-cut-cache.ts'

export interface CacheOptions {
  /** `redis://` or `rediss://`; without it the cache is one process's memory. */
  readonly url?: string | undefined
  /** In front of every key: applications, tenants and schema versions that share a Redis differ here. */
  readonly namespace: string
}

export interface CacheDependencies {
  readonly clock?: Clock
  readonly random?: Random
  /** Metrics are registered here when it is given. */
  readonly registry?: Registry
  /** Told of every fault that a caller does not see. */
  readonly onError?: (reason: string, error: unknown) => void
}

/**
 * Starts a cache. Rejects for invalid options only: a Redis that is away makes it begin degraded, and it recovers by
 * itself as soon as Redis answers.
 */
export async function startCache(options: CacheOptions, deps: CacheDependencies = {}): Promise<Cache> {
  if (!/^[\w.:-]+$/.test(options.namespace)) {
    throw new CacheError('invalid_option', 'The namespace of a cache is letters, digits, and . : _ - only')
  }
  const clock = deps.clock ?? systemClock
  const tasks = new BackgroundTasks(deps.onError ?? (() => undefined), clock)
  const cache = new FirstCutCache({ clock, tasks, random: deps.random ?? systemRandom }, options)
  await cache.start()
  return cache
}
