import type { Registry } from 'prom-client'
import type { Cache } from '#optimizations/cache/cache.ts'
import type { Database, TransactionOptions } from '#optimizations/database/database.ts'
import { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import { systemClock, type Clock } from '#optimizations/kernel/clock.ts'
import { withDeadline } from '#optimizations/kernel/deadline.ts'
import { systemRandom, type Random } from '#optimizations/kernel/random.ts'
import type { EventOutbox } from '#optimizations/pusher/outbox.ts'
import type { Publisher } from '#optimizations/pusher/publisher.ts'
import type { DatabaseFindings, FindingCounts } from './database-findings.ts'
import { createDeferredOutbox, type DeferredOutbox } from './deferred-outbox.ts'
import { combineHealth } from './health.ts'
import { ManagerError, refuseAbsent } from './manager-error.ts'
import { readOrExplain, type OptimizationsMetrics } from './metrics.ts'
import type { Optimizations, OptimizationsHealth, UnitOfWork } from './optimizations.ts'
import { startProcessMonitor, type ProcessMonitor } from './process-monitor.ts'
import { createManagerExporter } from './prometheus.ts'
import { publishAndWait } from './publish-and-wait.ts'
import { perService, SERVICE_NAMES, type PerService, type ServiceName } from './service-name.ts'
import { ServiceStart } from './service-start.ts'
import { StandInCache } from './stand-in-cache.ts'
import { StandInPublisher } from './stand-in-publisher.ts'
import { summarize, type OptimizationsStatus, type ServiceStatus } from './start-report.ts'
import { neverStarted, stopServices, type StopReport } from './stop-services.ts'
import { runTransaction } from './transaction.ts'
import { runWarming, skippedWarming, type WarmingOptions, type WarmingPlan, type WarmReport } from './warm.ts'

/** How each of the three is started, as far as they are there. A start that rejects or hangs is the manager's care. */
export interface ServiceStarters {
  readonly cache?: (() => Promise<Cache>) | undefined
  readonly database?: (() => Promise<Database>) | undefined
  /** The outbox may be used at once: what is asked of it waits for the database. Without a database there is none. */
  readonly publisher?: ((outbox: EventOutbox | undefined) => Promise<Publisher>) | undefined
}

export interface OptimizationsManagerDeps {
  /** Of those services that there are. */
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

/** What exists between a start and a stop. */
interface Running {
  readonly cache: Cache | undefined
  readonly database: Database | undefined
  readonly publisher: Publisher | undefined
  readonly monitor: ProcessMonitor
}

interface Starts {
  readonly cache: ServiceStart<Cache> | undefined
  readonly database: ServiceStart<Database> | undefined
  readonly pusher: ServiceStart<Publisher> | undefined
}

interface StandIns {
  readonly cache: StandInCache
  readonly publisher: StandInPublisher
}

/** Starts, watches and stops the three, or those of them that there are. Everything but `start` and `stop` is for the time between them. */
export class OptimizationsManager implements Optimizations {
  readonly #deps: OptimizationsManagerDeps
  readonly #options: OptimizationsManagerOptions
  readonly #clock: Clock
  readonly #tasks: BackgroundTasks
  readonly #export: ReturnType<typeof createManagerExporter>
  readonly #stopped = new AbortController()
  readonly #names: readonly ServiceName[]
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
    const { cache, database, publisher } = deps.starters
    const starters = { cache, database, pusher: publisher }
    this.#names = SERVICE_NAMES.filter((name) => starters[name] !== undefined)
    this.#export = createManagerExporter(this.#names)
    this.#tasks = new BackgroundTasks(deps.onError, this.#clock)
  }

  get cache(): Cache {
    return this.#live.cache ?? refuseAbsent('cache')
  }

  get database(): Database {
    return this.#live.database ?? refuseAbsent('database')
  }

  get publisher(): Publisher {
    return this.#live.publisher ?? refuseAbsent('pusher')
  }

  /** What the database failed to start with; undefined when it did not. */
  get failure(): unknown {
    const database = this.#starts?.database
    return database?.service === undefined ? database?.cause : undefined
  }

  /**
   * Starts all at once. Calls that come meanwhile or later get the same start; after a failed one the next call
   * tries again. Rejects only after `stop`: what became of the start is in the answer.
   */
  async start(): Promise<OptimizationsStatus> {
    if (this.#stopping !== undefined) throw new ManagerError('stopped', 'The optimizations were stopped')
    this.#starting ??= this.#startAll()
    await this.#starting
    return this.status()
  }

  status(): OptimizationsStatus {
    const services = perService((name) => this.#starts?.[name]?.status ?? NOT_STARTED, this.#names)
    return summarize(services, { durationMs: this.#durationMs, endedAt: this.#endedAt })
  }

  transaction<T>(work: (unit: UnitOfWork) => Promise<T>, options?: TransactionOptions): Promise<T> {
    const { database = refuseAbsent('database'), cache, publisher } = this.#live
    if (publisher === undefined) {
      return runTransaction(
        { database, cache },
        (unit) => work({ ...unit, publish: async () => refuseAbsent('pusher') }),
        options,
      )
    }
    // The baseline has no outbox: it waits for Pusher within the request.
    const publishAfterCommit = this.#options.optimize.pusher ? undefined : publishAndWait(publisher)
    return runTransaction({ database, cache, publishAfterCommit }, work, options)
  }

  health(): Promise<OptimizationsHealth> {
    const live = this.#live
    const services = { cache: live.cache, database: live.database, pusher: live.publisher }
    return combineHealth(
      perService((name) => () => (services[name] ?? refuseAbsent(name)).health(), this.#names),
      this.#options.healthTimeoutMs,
    )
  }

  metrics(): OptimizationsMetrics {
    const { cache, database, publisher, monitor } = this.#live
    return {
      timestamp: new Date(this.#clock.now()).toISOString(),
      optimizationEnabled: perService((name) => this.#options.optimize[name], this.#names),
      ...(cache === undefined ? {} : { cache: readOrExplain(() => cache.stats()) }),
      ...(database === undefined
        ? {}
        : {
            database: readOrExplain(() => database.stats()),
            databaseFindings: { ...(this.#deps.findings?.counts ?? NOTHING_FOUND) },
          }),
      ...(publisher === undefined ? {} : { pusher: readOrExplain(() => publisher.stats()) }),
      process: monitor.snapshot(),
    } as OptimizationsMetrics
  }

  async prometheus(): Promise<string> {
    const own = this.#live.database?.metrics
    const registries = [...(this.#deps.registries ?? []), ...(own === undefined ? [] : [own])]
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

  get #started(): readonly (ServiceStart<Cache> | ServiceStart<Database> | ServiceStart<Publisher>)[] {
    const { cache, database, pusher } = this.#starts ?? {}
    return [cache, database, pusher].filter((start) => start !== undefined)
  }

  get #live(): Running {
    if (this.#running === undefined) throw new ManagerError('not_started', 'The optimizations are not started')
    return this.#running
  }

  async #startAll(): Promise<void> {
    const startedAt = this.#clock.monotonic()
    const standIns = {
      cache: new StandInCache(() => `not started: ${this.status().services.cache.error}`),
      publisher: new StandInPublisher(() => `not started: ${this.status().services.pusher.error}`),
    }
    const { promise: startedOutbox, resolve: offerOutbox, reject: refuseOutbox } = Promise.withResolvers<EventOutbox>()
    startedOutbox.catch(() => undefined)
    this.#outbox = createDeferredOutbox(startedOutbox)
    const starts = this.#createStarts(standIns, this.#outbox, offerOutbox)
    this.#starts = starts
    const others = Promise.all([starts.cache?.attempt(), starts.pusher?.attempt()])
    await starts.database?.attempt()
    const isFailed = starts.database !== undefined && starts.database.service === undefined
    if (!isFailed) await others
    if (isFailed || this.#stopping !== undefined) {
      refuseOutbox(starts.database?.cause)
      await this.#abandon()
    } else {
      this.#run(starts, standIns)
    }
    this.#durationMs = this.#clock.monotonic() - startedAt
    this.#endedAt = this.#clock.now()
  }

  #createStarts(standIns: StandIns, outbox: DeferredOutbox, offerOutbox: (outbox: EventOutbox) => void): Starts {
    const { cache, database, publisher } = this.#deps.starters
    const startPublisher = publisher && (() => publisher(database && outbox))
    return {
      cache: cache && this.#part('cache', cache, (started) => standIns.cache.become(started)),
      database: database && this.#part('database', database, (started) => offerOutbox(started.outbox)),
      pusher: startPublisher && this.#part('pusher', startPublisher, (started) => standIns.publisher.become(started)),
    }
  }

  #run({ cache, database, pusher }: Starts, standIns: StandIns): void {
    this.#running = {
      cache: cache && (cache.service ?? standIns.cache),
      database: database?.service,
      publisher: pusher && (pusher.service ?? standIns.publisher),
      monitor: startProcessMonitor(),
    }
    for (const start of this.#started) if (start.status.status !== 'initialized') start.keepTrying()
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
  async #abandon(): Promise<void> {
    for (const start of this.#started) start.close()
    await Promise.all(this.#started.map(async (start) => start.service?.stop()))
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
    for (const start of this.#started) start.close()
    // A start that is still under way ends by itself: nothing of it stays.
    await withDeadline('the start', deadlineMs, Promise.resolve(this.#starting)).catch(() => undefined)
    this.#outbox?.close()
    const report = await stopServices(this.#clock, this.#running ?? neverStarted(this.#deps.starters), deadlineMs)
    this.#running?.monitor[Symbol.dispose]()
    await this.#tasks.drain(deadlineMs)
    await Promise.allSettled((this.#deps.shared ?? []).map((one) => one[Symbol.asyncDispose]()))
    return report
  }
}

const NOT_STARTED: ServiceStatus = { status: 'not_initialized', error: null, durationMs: 0, attempts: 0 }
const NOTHING_FOUND: FindingCounts = { slow_query: 0, repeated_query: 0, leak: 0, transaction_retry: 0 }
