import { createPassThroughCache } from '#optimizations/cache/pass-through-cache.ts'
import { startCache, type CacheOptions } from '#optimizations/cache/start-cache.ts'
import type { Cache } from '#optimizations/cache/cache.ts'
import type { Database } from '#optimizations/database/database.ts'
import { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import { startDatabase, type DatabaseOptions } from '#optimizations/database/start-database.ts'
import { createPlainPublisher } from '#optimizations/pusher/plain-publisher.ts'
import type { EventToPublish, Publisher } from '#optimizations/pusher/publisher.ts'
import { startPublisher, type PublisherOptions } from '#optimizations/pusher/start-publisher.ts'
import { combineHealth } from './health.ts'
import type { Optimizations } from './optimizations.ts'
import { runTransaction } from './transaction.ts'

export interface OptimizationsOptions {
  readonly cache: CacheOptions
  readonly database: Omit<DatabaseOptions, 'optimize'>
  readonly pusher: PublisherOptions
  /** Which optimizations are on; the others are their honest baselines behind the same interface. */
  readonly optimize: { readonly cache: boolean; readonly database: boolean; readonly pusher: boolean }
}

export interface OptimizationsDeps {
  /** Told of every fault that no caller sees. */
  readonly onError: (reason: string, error: unknown) => void
}

const HEALTH_TIMEOUT_MS = 2_000
const STOP_DEADLINE_MS = 5_000

/** The baseline waits for Pusher within the request; an event that is refused is counted, and fails nothing. */
async function publishAndWait(publisher: Publisher, events: readonly EventToPublish[]): Promise<void> {
  const receipts = await publisher.publishMany(events)
  await Promise.all(receipts.map((receipt) => receipt.settled))
}

/**
 * Starts all three. Rejects only when the database cannot be reached, having stopped what was started: cache and
 * publisher begin degraded when their service is away, and recover by themselves.
 */
export async function startOptimizations(
  options: OptimizationsOptions,
  deps: OptimizationsDeps,
): Promise<Optimizations> {
  const { optimize } = options
  const startingCache: Promise<Cache> = optimize.cache
    ? startCache(options.cache, { onError: deps.onError })
    : Promise.resolve(createPassThroughCache())

  let database: Database
  try {
    database = await startDatabase(
      { ...options.database, optimize: optimize.database },
      { background: new BackgroundTasks(deps.onError) },
    )
  } catch (error) {
    await (await startingCache).stop()
    throw error
  }
  const cache = await startingCache
  const publisher = optimize.pusher
    ? await startPublisher(options.pusher, { outbox: database.outbox })
    : createPlainPublisher(options.pusher.app)
  const publishAfterCommit = optimize.pusher
    ? undefined
    : (events: readonly EventToPublish[]) => publishAndWait(publisher, events)

  const stop = async (deadlineMs = STOP_DEADLINE_MS): Promise<void> => {
    await publisher.stop(deadlineMs)
    await cache.stop()
    await database.stop()
  }

  return {
    cache,
    database,
    publisher,
    transaction: (work, transactionOptions) =>
      runTransaction({ database, cache, publishAfterCommit }, work, transactionOptions),
    health: () =>
      combineHealth(
        { cache: () => cache.health(), database: () => database.health(), pusher: () => publisher.health() },
        HEALTH_TIMEOUT_MS,
      ),
    stop,
    [Symbol.asyncDispose]: () => stop(),
  }
}
