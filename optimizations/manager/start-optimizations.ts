import { Registry } from 'prom-client'
import { createPassThroughCache } from '#optimizations/cache/pass-through-cache.ts'
import type { Cache } from '#optimizations/cache/cache.ts'
import { startCache, type CacheOptions } from '#optimizations/cache/start-cache.ts'
import type { ResultCache } from '#optimizations/database/results/result-cache.ts'
import { startDatabase, type DatabaseOptions } from '#optimizations/database/start-database.ts'
import { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import { systemClock } from '#optimizations/kernel/clock.ts'
import { systemRandom } from '#optimizations/kernel/random.ts'
import { createPlainPublisher } from '#optimizations/pusher/plain-publisher.ts'
import { startPublisher, type PublisherOptions } from '#optimizations/pusher/start-publisher.ts'
import { createCachedQueryResults } from './cached-query-results.ts'
import type { CurrentRequest } from './current-request.ts'
import { DatabaseFindings, type DatabaseFinding } from './database-findings.ts'
import type { Optimizations } from './optimizations.ts'
import {
  OptimizationsManager,
  type OptimizationsManagerOptions,
  type ServiceStarters,
} from './optimizations-manager.ts'
import { createPublisherStores, type PublisherStores } from './publisher-stores.ts'
import { createScopedCache } from './scoped-cache.ts'
import { createScopedDatabase } from './scoped-database.ts'
import type { PerService } from './service-name.ts'

export interface OptimizationsOptions extends Partial<Omit<OptimizationsManagerOptions, 'optimize'>> {
  readonly cache: CacheOptions
  readonly database: Omit<DatabaseOptions, 'optimize'>
  readonly pusher: PublisherOptions
  /** Which optimizations are on; the others are their honest baselines behind the same interface. */
  readonly optimize: PerService<boolean>
  /**
   * Where the database keeps query results: in the memory of each process, or in the cache for all. The cache costs an
   * invalidation in Redis for every write, so it is for queries that are dear and data that is seldom written.
   */
  readonly queryResults?: 'memory' | 'cache'
}

export interface OptimizationsDeps {
  /** Told of every fault that no caller sees. */
  readonly onError: (reason: string, error: unknown) => void
  /** Told of slow and repeated queries, of connections that are held too long, and of repeated transactions. */
  readonly onFinding?: (finding: DatabaseFinding) => void
  /** On whose behalf cache and database are asked; without it nobody's. */
  readonly currentRequest?: CurrentRequest | undefined
}

const DEFAULTS = {
  startTimeoutMs: { cache: 5_000, database: 15_000, pusher: 5_000 },
  healthTimeoutMs: 2_000,
  stopDeadlineMs: 5_000,
  warming: { concurrency: 4, attempts: 2, deadlineMs: 30_000 },
} as const

/** What the starters share, and what outlives a start that failed. */
interface Parts {
  readonly registry: Registry
  readonly findings: DatabaseFindings
  readonly stores: PublisherStores | undefined
  readonly queryResults: ResultCache | undefined
  readonly onCache: (cache: Cache) => void
}

function createStarters(
  options: OptimizationsOptions,
  { onError, currentRequest }: OptimizationsDeps,
  { registry, findings, stores, queryResults, onCache }: Parts,
): ServiceStarters {
  const { optimize } = options
  const background = new BackgroundTasks(onError)
  return {
    cache: async () => {
      // An earlier start may have left its metrics.
      registry.clear()
      const cache = optimize.cache ? await startCache(options.cache, { onError, registry }) : createPassThroughCache()
      onCache(cache)
      return currentRequest === undefined ? cache : createScopedCache(cache, currentRequest)
    },
    database: async () => {
      const kept = queryResults === undefined ? {} : { resultCache: queryResults }
      const settings = { ...options.database, optimize: optimize.database }
      const database = await startDatabase(settings, { background, events: findings.events, ...kept })
      return currentRequest === undefined ? database : createScopedDatabase(database, currentRequest)
    },
    publisher: async (outbox) => {
      // Beside the start: until they are connected this process keeps to what it knows by itself.
      if (stores !== undefined) background.run('pusher.stores', () => stores.start())
      const shared = { sharedRateLimit: stores?.rateLimit, sharedWebhookMemory: stores?.webhooks }
      if (!optimize.pusher) return createPlainPublisher(options.pusher.app, shared)
      return startPublisher(options.pusher, { outbox, onError, ...shared })
    },
  }
}

/** What publishers share by way of Redis; without it each process keeps to the limit, and its memory, by itself. */
function createStores({ cache: { url, namespace }, pusher }: OptimizationsOptions): PublisherStores | undefined {
  if (url === undefined) return undefined
  return createPublisherStores({ clock: systemClock, random: systemRandom }, { url, namespace, pusher })
}

/** Puts the three together and starts nothing: `start` does, and says what became of it. */
export function createOptimizations(options: OptimizationsOptions, deps: OptimizationsDeps): OptimizationsManager {
  const registry = new Registry()
  const findings = new DatabaseFindings(deps)
  const stores = createStores(options)
  let cache: Cache | undefined
  const queryResults =
    options.queryResults === 'cache' ? createCachedQueryResults({ cache: () => cache, clock: systemClock }) : undefined
  const onCache = (started: Cache): void => void (cache = started)
  return new OptimizationsManager(
    {
      starters: createStarters(options, deps, { registry, findings, stores, queryResults, onCache }),
      registries: [registry],
      findings,
      shared: [stores, queryResults].filter((one) => one !== undefined),
      onError: deps.onError,
    },
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
