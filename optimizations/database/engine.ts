import { AsyncLocalStorage } from 'node:async_hooks'
import type { PostgresPool } from 'kysely'
import { Client, type ClientConfig } from 'pg'
import type { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import type { Clock } from '#optimizations/kernel/clock.ts'
import type { Random } from '#optimizations/kernel/random.ts'
import type { DatabaseEvents } from './database-events.ts'
import type { EngineOptions } from './engine-options.ts'
import type { NotificationListener } from './notification-listener.ts'
import type { HotpathEngine } from './orm/hotpath-connection.ts'
import type { ConnectionPool } from './pool/connection-pool.ts'
import { ConnectionSources } from './pool/connection-sources.ts'
import type { Executed, PooledConnection, Watched } from './pool/pooled-connection.ts'
import type { Answer } from './pool/wire-query.ts'
import { QueryRunner } from './query-runner.ts'
import type { RequestContext } from './request-context.ts'
import { Invalidation } from './results/invalidation.ts'
import { MemoryResults } from './results/memory-results.ts'
import { QueryResults } from './results/query-results.ts'
import type { ResultCache } from './results/result-cache.ts'
import { SchemaCatalog } from './results/schema-catalog.ts'
import { TableVersions } from './results/table-versions.ts'
import { NO_EFFECT, type WriteEffect } from './results/write-effect.ts'
import { AutoExplain } from './statistics/auto-explain.ts'
import { genericPlan } from './statistics/generic-plan.ts'
import { describePlan } from './statistics/plan-nodes.ts'
import { QueryStatistics } from './statistics/query-statistics.ts'
import { RepeatedQueries } from './statistics/repeated-queries.ts'
import { SlowQueries } from './statistics/slow-queries.ts'
import type { FormatDate } from './statements/encode-value.ts'
import type { SqlAnalysis } from './statements/sql-analysis.ts'
import { StatementCall } from './statements/statement-call.ts'
import { StatementCatalog } from './statements/statement-catalog.ts'

export interface EngineDeps {
  readonly clock: Clock
  readonly random: Random
  readonly background: BackgroundTasks
  readonly events: DatabaseEvents
  readonly client: ClientConfig
  readonly formatDate: FormatDate
  readonly listener: NotificationListener
  readonly resultCache: ResultCache | null
  readonly secrets: ReadonlyMap<string, ReadonlySet<string>>
}

/** Whoever begins a transaction, known to the pool although Kysely is in between. */
interface Borrower {
  readonly context: RequestContext | null
  readonly watched: Watched
}

const TEXTS = { maxTexts: 5_000, maxCharacters: 8_388_608 }
/** A describe that waits for a busy pool would take a connection from somebody who has work to do. */
const DESCRIBE_WAIT_MS = 1_000

/** Puts the parts together: pool, statements, results and statistics, between the ORM above and PostgreSQL below. */
export class Engine implements HotpathEngine {
  readonly sources: ConnectionSources
  readonly statements: StatementCatalog
  readonly catalog = new SchemaCatalog()
  readonly statistics: QueryStatistics
  readonly repeated: RepeatedQueries
  readonly versions: TableVersions
  readonly memory: MemoryResults
  readonly invalidation: Invalidation
  readonly kyselyPool: PostgresPool
  readonly #deps: EngineDeps
  readonly options: EngineOptions
  readonly #results: QueryResults
  readonly #runner: QueryRunner
  readonly #slow: SlowQueries
  #isLoadingCatalog = false
  readonly #borrower = new AsyncLocalStorage<Borrower>()

  constructor(deps: EngineDeps, options: EngineOptions) {
    const { clock, background, events } = deps
    this.#deps = deps
    this.options = options
    const detach = (work: () => Promise<void>): void => background.run('database.detached', work)
    this.versions = new TableVersions(() => clock.monotonic())
    this.statistics = new QueryStatistics(options.statistics)
    this.invalidation = new Invalidation({
      versions: this.versions,
      listener: options.results.isShared ? deps.listener : null,
      onWritten: (effect) => this.#written(effect),
    })
    const isTrusted = (): boolean => this.invalidation.isTrusted && this.catalog.isLoaded
    this.memory = new MemoryResults({ clock, versions: this.versions, isTrusted }, options.results)
    this.sources = this.#createSources(new AutoExplain(options.statistics.slowAfterMs))
    this.statements = new StatementCatalog(
      { describe: (text, oids) => this.#describe(text, oids), detach, formatDate: deps.formatDate },
      { ...TEXTS, prepareFromUse: options.prepared.enabled ? options.prepared.fromUse : Number.POSITIVE_INFINITY },
    )
    this.#runner = new QueryRunner({
      clock,
      pool: this.pool,
      lanes: this.sources.lanes,
      replicaFor: (call) => this.#replicaFor(call),
      recentMs: ({ analysis }) => this.statistics.recentMs(analysis.fingerprint),
      isRepeatable: (call) => this.#isRepeatable(call),
    })
    this.#results = new QueryResults({
      clock,
      background,
      catalog: this.catalog,
      versions: this.versions,
      memory: this.memory,
      statistics: this.statistics,
      store: deps.resultCache,
      secrets: deps.secrets,
    })
    this.repeated = new RepeatedQueries(options.statistics.repeatedFrom, (found) => events.repeatedQuery?.(found))
    this.#slow = new SlowQueries(
      { detach, explain: (execution) => this.#explain(execution), report: (slow) => events.slowQuery?.(slow) },
      options.statistics.slowAfterMs,
    )
    this.kyselyPool = {
      connect: () => this.#lend() as never,
      // Kysely ends it when the ORM closes; the database stops the pool itself, in its own order.
      end: async () => undefined,
      options: deps.client,
      Client,
    }
  }

  get pool(): ConnectionPool {
    return this.sources.primary
  }

  async stop(drainMs: number): Promise<void> {
    this.invalidation[Symbol.dispose]()
    await this.sources.stop(drainMs)
  }

  async run(call: StatementCall): Promise<Answer> {
    const cache = call.context?.cache ?? false
    if (cache === false) return await this.#runner.run(call)
    return await this.#results.read(call, cache, () => this.#runner.run(call))
  }

  noted(call: StatementCall, isInTransaction: boolean): void {
    this.repeated.count(call.context, call.analysis)
    const dependencies = call.context?.dependencies
    dependencies?.add(isInTransaction ? null : this.catalog.tablesRead(call.analysis))
  }

  borrowFor<T>(context: RequestContext | null, begin: () => Promise<T>): Promise<T> {
    return this.#borrower.run({ context, watched: this.pool.watch() }, begin)
  }

  async loadCatalog(): Promise<void> {
    await this.catalog.load(async (sql) => {
      const call = new StatementCall({ text: sql, name: null, parameters: null }, this.#unknown(sql), null)
      return (await this.#runner.run(call)).rows
    })
  }

  /** One load at a time, and one more when the schema changed meanwhile. */
  async #reloadCatalog(): Promise<void> {
    if (this.#isLoadingCatalog) return
    this.#isLoadingCatalog = true
    try {
      while (!this.catalog.isLoaded) {
        const since = this.versions.now()
        await this.loadCatalog()
        if (!this.versions.isCurrent([], since)) this.catalog.forget()
      }
    } finally {
      this.#isLoadingCatalog = false
    }
  }

  #unknown(sql: string) {
    return { analysis: this.statements.analyze(sql), identity: null }
  }

  #createSources(explainer: AutoExplain): ConnectionSources {
    const { clock, random, background, events, client, formatDate } = this.#deps
    const observer = {
      analyze: (text: string) => this.statements.analyze(text),
      effectOf: (analysis: SqlAnalysis) => this.catalog.tablesWritten(analysis),
      announcement: (effect: WriteEffect) => this.invalidation.announcement(effect),
      committed: (effect: WriteEffect) => this.invalidation.committed(effect),
      executed: (execution: Executed) => {
        this.statistics.executed(execution)
        this.#slow.executed(execution)
      },
    }
    const common = { clock, random, background, client, formatDate, observer }
    return new ConnectionSources(
      {
        ...common,
        versions: this.versions,
        setUp: (connection) => explainer.setUp(connection),
        prepare: (connection) => this.#prepareHottest(connection),
        onLeak: (leak) => events.leak?.(leak),
      },
      this.options,
    )
  }

  #replicaFor({ context, analysis }: StatementCall): ConnectionPool | null {
    if (context?.mayUseReplica !== true) return null
    const tables = this.catalog.tablesRead(analysis)
    return tables === null ? null : this.sources.replicas.choose(tables)
  }

  /** For Kysely: transactions, streams and its own queries. Whoever forgets to give back is found. */
  async #lend(): Promise<PooledConnection> {
    const { context, watched } = this.#borrower.getStore() ?? { context: null, watched: this.pool.watch() }
    return await this.pool.acquire({ signal: context?.signal, requestId: context?.requestId, watched })
  }

  #written(effect: WriteEffect): void {
    this.#results.written(effect)
    if (effect !== 'everything') return
    // Tables may have come or gone: nothing is kept until they are known again.
    this.catalog.forget()
    this.#deps.background.run('database.catalog', () => this.#reloadCatalog())
  }

  #isRepeatable({ analysis }: StatementCall): boolean {
    return analysis.kind === 'read' && !analysis.locksRows && this.catalog.tablesWritten(analysis) === NO_EFFECT
  }

  async #describe(text: string, oids: readonly number[]) {
    const connection = await this.pool.acquire({ timeoutMs: DESCRIBE_WAIT_MS })
    try {
      return await connection.describe(text, oids)
    } finally {
      this.pool.release(connection)
    }
  }

  async #prepareHottest(connection: PooledConnection): Promise<void> {
    for (const statement of this.statements.mostUsed(this.options.prepared.warmStatements)) {
      // A table may have gone since: then its statements are not wanted either.
      await connection.prepare(statement).catch(() => undefined)
    }
  }

  async #explain({ call }: Executed): Promise<string> {
    const { text } = call.statement
    const connection = await this.pool.acquire()
    try {
      await connection.ask('begin')
      return describePlan(await genericPlan((sql) => connection.ask(sql), text, call.analysis.parameters))
    } finally {
      await connection.ask('rollback').catch(() => undefined)
      this.pool.release(connection)
    }
  }
}
