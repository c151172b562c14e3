import { Registry } from 'prom-client'
import { createPassThroughCache } from '#optimizations/cache/pass-through-cache.ts'
import type { Cache } from '#optimizations/cache/cache.ts'
import { startCache, type CacheOptions } from '#optimizations/cache/start-cache.ts'
import type { Database } from '#optimizations/database/database.ts'
import type { ResultCache } from '#optimizations/database/results/result-cache.ts'
import type { DatabaseOptions } from '#optimizations/database/start-database.ts'
import { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import { systemClock } from '#optimizations/kernel/clock.ts'
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
import { createLazyStores, type LazyStores } from './lazy-stores.ts'
import { createScopedCache } from './scoped-cache.ts'
import { createScopedDatabase } from './scoped-database.ts'
import type { PerService, ServiceName } from './service-name.ts'

interface Settings extends Partial<Omit<OptimizationsManagerOptions, 'optimize'>> {
  /** Which optimizations are on, as all are by default; the others are their honest baselines behind the same interface. */
  readonly optimize?: Partial<PerService<boolean>>
  /**
   * Where the database keeps query results: in the memory of each process, or in the cache for all. The cache costs an
   * invalidation in Redis for every write, so it is for queries that are dear and data that is seldom written.
   */
  readonly queryResults?: 'memory' | 'cache'
}

interface ServiceOptions {
  readonly cache: CacheOptions
  readonly database: Omit<DatabaseOptions, 'optimize'>
  readonly pusher: PublisherOptions
}

/** Of the services that are named, and of no other. */
export type OptimizationsOptions<Name extends ServiceName = ServiceName> = Settings &
  Pick<ServiceOptions, Name> & { readonly [Absent in Exclude<ServiceName, Name>]?: never }

/** Of those services that there are. */
type AnyOptions = Settings & Partial<ServiceOptions>

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

const EVERYTHING_ON = { cache: true, database: true, pusher: true } as const

/** What the starters share, and what outlives a start that failed. */
interface Parts {
  readonly registry: Registry
  readonly findings: DatabaseFindings
  readonly stores: LazyStores | undefined
  readonly queryResults: ResultCache | undefined
  readonly onCache: (cache: Cache) => void
}

/**
 * Each part is loaded when it is started: what an application does not use need not be installed.
 */
function createStarters(
  options: AnyOptions,
  { onError, currentRequest }: OptimizationsDeps,
  { registry, findings, stores, queryResults, onCache }: Parts,
): ServiceStarters {
  const optimize = { ...EVERYTHING_ON, ...options.optimize }
  const background = new BackgroundTasks(onError)
  const { cache, database, pusher } = options
  return {
    cache:
      cache &&
      (async () => {
        // An earlier start may have left its metrics.
        registry.clear()
        const started = optimize.cache ? await startCache(cache, { onError, registry }) : createPassThroughCache()
        onCache(started)
        return currentRequest === undefined ? started : createScopedCache(started, currentRequest)
      }),
    database:
      database &&
      (async () => {
        const { startDatabase } = await import('#optimizations/database/start-database.ts')
        const kept = queryResults === undefined ? {} : { resultCache: queryResults }
        const settings = { ...database, optimize: optimize.database }
        const started = await startDatabase(settings, { background, events: findings.events, ...kept })
        if (pusher !== undefined && optimize.pusher) await requireOutbox(started)
        return currentRequest === undefined ? started : createScopedDatabase(started, currentRequest)
      }),
    publisher:
      pusher &&
      (async (outbox) => {
        // Beside the start: until they are connected this process keeps to what it knows by itself.
        const shared = await stores?.open((opened) => background.run('pusher.stores', () => opened.start()))
        const sharing = { sharedRateLimit: shared?.rateLimit, sharedWebhookMemory: shared?.webhooks }
        if (!optimize.pusher) return createPlainPublisher(pusher.app, sharing)
        return startPublisher(pusher, { outbox, onError, ...sharing })
      }),
  }
}

/** Said at the start by name: every claim of the publisher would fail, for ever. */
async function requireOutbox(database: Database): Promise<void> {
  try {
    await database.outbox.requireTable()
  } catch (error) {
    await database.stop()
    throw error
  }
}

/** What publishers share by way of Redis; without it each process keeps to the limit, and its memory, by itself. */
function createStores({ cache, pusher }: AnyOptions): LazyStores | undefined {
  if (cache?.url === undefined || pusher === undefined) return undefined
  return createLazyStores({ url: cache.url, namespace: cache.namespace, pusher })
}

/** Puts them together and starts nothing: `start` does, and says what became of it. */
export function createOptimizations(options: AnyOptions, deps: OptimizationsDeps): OptimizationsManager {
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
    { ...DEFAULTS, ...options, optimize: { ...EVERYTHING_ON, ...options.optimize } },
  )
}

/** The services that the options name, one signature for each choice of them: what is not there is not in the type. */
interface StartOptimizations {
  (options: OptimizationsOptions<'cache'>, deps: OptimizationsDeps): Promise<Optimizations<'cache'>>
  (options: OptimizationsOptions<'database'>, deps: OptimizationsDeps): Promise<Optimizations<'database'>>
  (options: OptimizationsOptions<'pusher'>, deps: OptimizationsDeps): Promise<Optimizations<'pusher'>>
  (
    options: OptimizationsOptions<'cache' | 'database'>,
    deps: OptimizationsDeps,
  ): Promise<Optimizations<'cache' | 'database'>>
  (
    options: OptimizationsOptions<'cache' | 'pusher'>,
    deps: OptimizationsDeps,
  ): Promise<Optimizations<'cache' | 'pusher'>>
  (
    options: OptimizationsOptions<'database' | 'pusher'>,
    deps: OptimizationsDeps,
  ): Promise<Optimizations<'database' | 'pusher'>>
  (options: OptimizationsOptions, deps: OptimizationsDeps): Promise<Optimizations>
}

/**
 * Starts the services that the options name. Rejects only when the database does not start, with its error, having
 * stopped what was started: cache and publisher begin degraded when their service is away, and recover by themselves.
 */
export const startOptimizations: StartOptimizations = async (
  options: AnyOptions,
  deps: OptimizationsDeps,
): Promise<Optimizations> => {
  const manager = createOptimizations(options, deps)
  const { status } = await manager.start()
  if (status === 'failed') throw manager.failure
  return manager
}
