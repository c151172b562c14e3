import { Registry } from 'prom-client'
import { createPassThroughCache } from '#optimizations/cache/pass-through-cache.ts'
import { startCache, type CacheOptions } from '#optimizations/cache/start-cache.ts'
import { startDatabase, type DatabaseOptions } from '#optimizations/database/start-database.ts'
import { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import { createPlainPublisher } from '#optimizations/pusher/plain-publisher.ts'
import { startPublisher, type PublisherOptions } from '#optimizations/pusher/start-publisher.ts'
import type { Optimizations } from './optimizations.ts'
import {
  OptimizationsManager,
  type OptimizationsManagerOptions,
  type ServiceStarters,
} from './optimizations-manager.ts'
import type { CurrentTimer } from './phase-timer.ts'
import type { PerService } from './service-name.ts'
import { createTimedCache } from './timed-cache.ts'
import { createTimedDatabase } from './timed-database.ts'

export interface OptimizationsOptions extends Partial<Omit<OptimizationsManagerOptions, 'optimize'>> {
  readonly cache: CacheOptions
  readonly database: Omit<DatabaseOptions, 'optimize'>
  readonly pusher: PublisherOptions
  /** Which optimizations are on; the others are their honest baselines behind the same interface. */
  readonly optimize: PerService<boolean>
}

export interface OptimizationsDeps {
  /** Told of every fault that no caller sees. */
  readonly onError: (reason: string, error: unknown) => void
  /** Told, for each request, how long it was in the cache and in the database. */
  readonly currentTimer?: CurrentTimer | undefined
}

const DEFAULTS = {
  startTimeoutMs: { cache: 5_000, database: 15_000, pusher: 5_000 },
  healthTimeoutMs: 2_000,
  stopDeadlineMs: 5_000,
  warming: { concurrency: 4, attempts: 2, deadlineMs: 30_000 },
} as const

function createStarters(options: OptimizationsOptions, deps: OptimizationsDeps, registry: Registry): ServiceStarters {
  const { optimize } = options
  const { onError, currentTimer } = deps
  return {
    cache: async () => {
      // An earlier start may have left its metrics.
      registry.clear()
      const cache = optimize.cache ? await startCache(options.cache, { onError, registry }) : createPassThroughCache()
      return currentTimer === undefined ? cache : createTimedCache(cache, currentTimer)
    },
    database: async () => {
      const background = new BackgroundTasks(onError)
      const database = await startDatabase({ ...options.database, optimize: optimize.database }, { background })
      return currentTimer === undefined ? database : createTimedDatabase(database, currentTimer)
    },
    publisher: async (outbox) =>
      optimize.pusher ? startPublisher(options.pusher, { outbox, onError }) : createPlainPublisher(options.pusher.app),
  }
}

/** Puts the three together and starts nothing: `start` does, and says what became of it. */
export function createOptimizations(options: OptimizationsOptions, deps: OptimizationsDeps): OptimizationsManager {
  const registry = new Registry()
  return new OptimizationsManager(
    { starters: createStarters(options, deps, registry), registries: [registry], onError: deps.onError },
    { ...DEFAULTS, ...options },
  )
}

/**
 * Starts all three. Rejects only when the database does not start, with its error, having stopped what was started:
 * cache and publisher begin degraded when their service is away, and recover by themselves.
 */
export async function startOptimizations(
  options: OptimizationsOptions,
  deps: OptimizationsDeps,
): Promise<Optimizations> {
  const manager = createOptimizations(options, deps)
  const { status } = await manager.start()
  if (status === 'failed') throw manager.failure
  return manager
}
