import type { Registry } from 'prom-client'
import type { Cache } from '#optimizations/cache/cache.ts'
import type { Database, TransactionOptions } from '#optimizations/database/database.ts'
import { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import { systemClock, type Clock } from '#optimizations/kernel/clock.ts'
import { withDeadline } from '#optimizations/kernel/deadline.ts'
import { AppError } from '#optimizations/kernel/errors.ts'
import { systemRandom, type Random } from '#optimizations/kernel/random.ts'
import type { EventOutbox } from '#optimizations/pusher/outbox.ts'
import type { Publisher } from '#optimizations/pusher/publisher.ts'
import type { DatabaseFindings, FindingCounts } from './database-findings.ts'
import { createDeferredOutbox, type DeferredOutbox } from './deferred-outbox.ts'
import { combineHealth } from './health.ts'
import { readOrExplain, type OptimizationsMetrics } from './metrics.ts'
import type { Optimizations, OptimizationsHealth, UnitOfWork } from './optimizations.ts'
import { startProcessMonitor, type ProcessMonitor } from './process-monitor.ts'
import { createManagerExporter } from './prometheus.ts'
import { publishAndWait } from './publish-and-wait.ts'
import { SERVICE_NAMES, type PerService, type ServiceName } from './service-name.ts'
import { ServiceStart } from './service-start.ts'
import { StandInCache } from './stand-in-cache.ts'
import { StandInPublisher } from './stand-in-publisher.ts'
import { summarize, type OptimizationsStatus } from './start-report.ts'
import { stopServices, type RunningServices, type StopReport } from './stop-services.ts'
import { runTransaction } from './transaction.ts'
import { runWarming, skippedWarming, type WarmingOptions, type WarmingPlan, type WarmReport } from './warm.ts'

/** How each of the three is started. A start that rejects or hangs is the manager's care. */
export interface ServiceStarters {
  readonly cache: () => Promise<Cache>
  readonly database: () => Promise<Database>
  /** The outbox may be used at once: what is asked of it waits for the database. */
  readonly publisher: (outbox: EventOutbox) => Promise<Publisher>
}

export interface OptimizationsManagerDeps {
  readonly starters: ServiceStarters
  /** Registries beside the database's: exported as they are. */
  readonly registries?: readonly Registry[]
  /** What the starters gave the database to tell its findings to. */
  readonly findings?: Pick<DatabaseFindings, 'counts'>
  /** Closed at the end of the stop: what the starters gave to several services, or to one that does not close it. */
  readonly shared?: readonly AsyncDisposable[]
  readonly clock?: Clock
  readonly random?: Random
  /** Told of every fault that no caller sees. */
  readonly onError: (reason: string, error: unknown) => void
}

export interface OptimizationsManagerOptions {
  /** What stands behind the interface: the optimization, or its honest baseline. */
  readonly optimize: PerService<boolean>
  readonly startTimeoutMs: PerService<number>
  readonly healthTimeoutMs: number
  readonly stopDeadlineMs: number
  readonly warming: WarmingOptions
}

export type ManagerErrorCode = 'not_started' | 'stopped'
class ManagerError extends AppError<ManagerErrorCode> {}

/** What exists between a start and a stop. */
interface Running {
  readonly cache: Cache
  readonly database: Database
  readonly publisher: Publisher
  readonly monitor: ProcessMonitor
}

interface Starts {
  readonly cache: ServiceStart<Cache>
  readonly database: ServiceStart<Database>
  readonly pusher: ServiceStart<Publisher>
}

/** Starts, watches and stops the three. Everything but `start` and `stop` is for the time between them. */
export class OptimizationsManager implements Optimizations {
  readonly #deps: OptimizationsManagerDeps
  readonly #options: OptimizationsManagerOptions
  readonly #clock: Clock
  readonly #tasks: BackgroundTasks
  readonly #export = createManagerExporter()
  readonly #stopped = new AbortController()
  #starting: Promise<void> | undefined
  #warming: Promise<WarmReport> | undefined
  #stopping: Promise<StopReport> | undefined
  #starts: Starts | undefined
  #outbox: DeferredOutbox | undefined
  #running: Running | undefined
  #durationMs = 0
  #endedAt: number | null = null

  constructor(deps: OptimizationsManagerDeps, options: OptimizationsManagerOptions) {
    this.#deps = deps
    this.#options = options
    this.#clock = deps.clock ?? systemClock
    this.#tasks = new BackgroundTasks(deps.onError, this.#clock)
  }

  get cache(): Cache {
    return this.#live.cache
  }

  get database(): Database {
    return this.#live.database
  }

  get publisher(): Publisher {
    return this.#live.publisher
  }

  /** What the database failed to start with; undefined when it did not. */
  get failure(): unknown {
    return this.#starts?.database.service === undefined ? this.#starts?.database.cause : undefined
  }

  /**
   * Starts all three at once. Calls that come meanwhile or later get the same start; after a failed one the next call
   * tries again. Rejects only after `stop`: what became of the start is in the answer.
   */
  async start(): Promise<OptimizationsStatus> {
    if (this.#stopping !== undefined) throw new ManagerError('stopped', 'The optimizations were stopped')
    this.#starting ??= this.#startAll()
    await this.#starting
    return this.status()
  }

  status(): OptimizationsStatus {
    const starts = this.#starts
    const statusOf = (name: ServiceName) =>
      starts?.[name].status ?? ({ status: 'not_initialized', error: null, durationMs: 0, attempts: 0 } as const)
    return summarize(statusOf, { durationMs: this.#durationMs, endedAt: this.#endedAt })
  }

  transaction<T>(work: (unit: UnitOfWork) => Promise<T>, options?: TransactionOptions): Promise<T> {
    const { cache, database, publisher } = this.#live
    // The baseline has no outbox: it waits for Pusher within the request.
    const publishAfterCommit = this.#options.optimize.pusher ? undefined : publishAndWait(publisher)
    return runTransaction({ database, cache, publishAfterCommit }, work, options)
  }

  health(): Promise<OptimizationsHealth> {
    const { cache, database, publisher } = this.#live
    return combineHealth(
      { cache: () => cache.health(), database: () => database.health(), pusher: () => publisher.health() },
      this.#options.healthTimeoutMs,
    )
  }

  metrics(): OptimizationsMetrics {
    const { cache, database, publisher, monitor } = this.#live
    return {
      timestamp: new Date(this.#clock.now()).toISOString(),
      optimizationEnabled: this.#options.optimize,
      cache: readOrExplain(() => cache.stats()),
      database: readOrExplain(() => database.stats()),
      databaseFindings: { ...(this.#deps.findings?.counts ?? NOTHING_FOUND) },
      pusher: readOrExplain(() => publisher.stats()),
      process: monitor.snapshot(),
    }
  }

  async prometheus(): Promise<string> {
    const registries = [...(this.#deps.registries ?? []), this.database.metrics]
    const texts = await Promise.all([
      this.#export({ metrics: this.metrics(), status: this.status() }),
      ...registries.map((registry) => registry.metrics()),
    ])
    return texts.filter((text) => text.trim() !== '').join('\n')
  }

  warm(plan: WarmingPlan): Promise<WarmReport> {
    this.#warming ??= this.#warm(plan).finally(() => (this.#warming = undefined))
    return this.#warming
  }

  stop(deadlineMs = this.#options.stopDeadlineMs): Promise<StopReport> {
    this.#stopping ??= this.#stop(deadlineMs)
    return this.#stopping
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  get #live(): Running {
    if (this.#running === undefined) throw new ManagerError('not_started', 'The optimizations are not started')
    return this.#running
  }

  async #startAll(): Promise<void> {
    const startedAt = this.#clock.monotonic()
    const { promise: startedOutbox, resolve: offerOutbox, reject: refuseOutbox } = Promise.withResolvers<EventOutbox>()
    startedOutbox.catch(() => undefined)
    const outbox = createDeferredOutbox(startedOutbox)
    this.#outbox = outbox
    const standIns = {
      cache: new StandInCache(() => `not started: ${this.status().services.cache.error}`),
      publisher: new StandInPublisher(() => `not started: ${this.status().services.pusher.error}`),
    }
    const { starters } = this.#deps
    const starts: Starts = {
      cache: this.#part('cache', starters.cache, (cache) => standIns.cache.become(cache)),
      database: this.#part('database', starters.database, (database) => offerOutbox(database.outbox)),
      pusher: this.#part(
        'pusher',
        () => starters.publisher(outbox),
        (publisher) => standIns.publisher.become(publisher),
      ),
    }
    this.#starts = starts
    const others = Promise.all([starts.cache.attempt(), starts.pusher.attempt()])
    await starts.database.attempt()
    const database = starts.database.service
    if (database !== undefined) await others
    if (database === undefined || this.#stopping !== undefined) {
      refuseOutbox(starts.database.cause)
      await this.#abandon(starts)
    } else {
      const cache = starts.cache.service ?? standIns.cache
      const publisher = starts.pusher.service ?? standIns.publisher
      this.#running = { cache, database, publisher, monitor: startProcessMonitor() }
      for (const name of SERVICE_NAMES) if (starts[name].status.status !== 'initialized') starts[name].keepTrying()
    }
    this.#durationMs = this.#clock.monotonic() - startedAt
    this.#endedAt = this.#clock.now()
  }

  #part<Service extends Cache | Database | Publisher>(
    name: ServiceName,
    start: () => Promise<Service>,
    onStarted: (service: Service) => void | Promise<void>,
  ): ServiceStart<Service> {
    const deps = { clock: this.#clock, random: this.#deps.random ?? systemRandom, tasks: this.#tasks, start, onStarted }
    return new ServiceStart<Service>(deps, { name, timeoutMs: this.#options.startTimeoutMs[name] })
  }

  /** Without the database nothing works: what has started is stopped, and the next `start` begins anew. */
  async #abandon(starts: Starts): Promise<void> {
    for (const name of SERVICE_NAMES) starts[name].close()
    await Promise.all(SERVICE_NAMES.map(async (name) => starts[name].service?.stop()))
    this.#starting = undefined
  }

  async #warm(plan: WarmingPlan): Promise<WarmReport> {
    if (!this.#options.optimize.cache) return skippedWarming(this.#clock, 'the cache is switched off')
    const { status, reasons } = (await this.health()).services.cache
    // Every read would succeed and nothing be kept: a report of success would be a lie.
    if (status !== 'healthy') return skippedWarming(this.#clock, `the cache is ${status}: ${reasons.join('; ')}`)
    return runWarming(this.#clock, plan, this.#options.warming, this.#stopped.signal)
  }

  async #stop(deadlineMs: number): Promise<StopReport> {
    this.#stopped.abort(new ManagerError('stopped', 'The optimizations are stopping'))
    for (const name of SERVICE_NAMES) this.#starts?.[name].close()
    // A start that is still under way ends by itself: nothing of it stays.
    await withDeadline('the start', deadlineMs, Promise.resolve(this.#starting)).catch(() => undefined)
    this.#outbox?.close()
    const report = await stopServices(this.#clock, this.#running ?? NOTHING_RUNS, deadlineMs)
    this.#running?.monitor[Symbol.dispose]()
    await this.#tasks.drain(deadlineMs)
    await Promise.allSettled((this.#deps.shared ?? []).map((one) => one[Symbol.asyncDispose]()))
    return report
  }
}

const NOTHING_FOUND: FindingCounts = { slow_query: 0, repeated_query: 0, leak: 0, transaction_retry: 0 }

const NOTHING_RUNS: RunningServices = {
  cache: { stop: async () => undefined },
  database: { stop: async () => undefined },
  publisher: { stop: async () => ({ delivered: 0, abandoned: 0 }) },
}
