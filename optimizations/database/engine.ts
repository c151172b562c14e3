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
import { borrowerStack } from './pool/borrower-stack.ts'
import { ConnectionPool, type ConnectionPoolOptions } from './pool/connection-pool.ts'
import { PooledConnection, type ConnectionObserver, type Executed } from './pool/pooled-connection.ts'
import { ReadLanes } from './pool/read-lanes.ts'
import type { Answer } from './pool/wire-query.ts'
import { QueryRunner } from './query-runner.ts'
import { createConnectBreaker, type ConnectBreaker } from './recovery/connect-breaker.ts'
import { ReplicaSet } from './replicas/replica-set.ts'
import type { RequestContext } from './request-context.ts'
import { Invalidation } from './results/invalidation.ts'
import { MemoryResults } from './results/memory-results.ts'
import { QueryResults } from './results/query-results.ts'
import type { ResultCache } from './results/result-cache.ts'
import { SchemaCatalog } from './results/schema-catalog.ts'
import { TableVersions } from './results/table-versions.ts'
import { NO_EFFECT, type WriteEffect } from './results/write-effect.ts'
import { AutoExplain } from './statistics/auto-explain.ts'
import { QueryStatistics } from './statistics/query-statistics.ts'
import { RepeatedQueries } from './statistics/repeated-queries.ts'
import { SlowQueries } from './statistics/slow-queries.ts'
import type { FormatDate } from './statements/encode-value.ts'
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
  readonly stack: Error
}

const TEXTS = { maxTexts: 5_000, maxCharacters: 8_388_608 }
/** A describe that waits for a busy pool would take a connection from somebody who has work to do. */
const DESCRIBE_WAIT_MS = 1_000

/** Puts the parts together: pool, statements, results and statistics, between the ORM above and PostgreSQL below. */
export class Engine implements HotpathEngine {
  readonly pool: ConnectionPool
  readonly lanes: ReadLanes
  readonly replicas: ReplicaSet<ConnectionPool>
  readonly statements: StatementCatalog
  readonly catalog = new SchemaCatalog()
  readonly statistics: QueryStatistics
  readonly repeated: RepeatedQueries
  readonly versions: TableVersions
  readonly memory: MemoryResults
  readonly invalidation: Invalidation
  readonly breaker: ConnectBreaker
  readonly kyselyPool: PostgresPool
  readonly #deps: EngineDeps
  readonly #options: EngineOptions
  readonly #results: QueryResults
  readonly #runner: QueryRunner
  readonly #slow: SlowQueries
  readonly #explainer: AutoExplain
  readonly #replicaPools: readonly ConnectionPool[]
  /** Which pool a connection is of: it is told of its losses and returns. */
  readonly #pools = new WeakMap<PooledConnection, ConnectionPool>()
  readonly #observer: ConnectionObserver
  #isLoadingCatalog = false
  readonly #borrower = new AsyncLocalStorage<Borrower>()

  constructor(deps: EngineDeps, options: EngineOptions) {
    const { clock, background, events } = deps
    this.#deps = deps
    this.#options = options
    this.#observer = this.#createObserver()
    const detach = (work: () => Promise<void>): void => background.run('database.detached', work)
    this.versions = new TableVersions(() => clock.monotonic())
    this.statistics = new QueryStatistics(options.statistics)
    this.breaker = createConnectBreaker(options.breaker)
    this.invalidation = new Invalidation({
      versions: this.versions,
      listener: options.results.isShared ? deps.listener : null,
      onWritten: (effect) => this.#written(effect),
    })
    const isTrusted = (): boolean => this.invalidation.isTrusted && this.catalog.isLoaded
    this.#explainer = new AutoExplain(options.statistics.slowAfterMs)
    this.memory = new MemoryResults({ clock, versions: this.versions, isTrusted }, options.results)
    this.pool = this.#createPool(deps.client, options.pool)
    this.lanes = this.#createLanes()
    this.#replicaPools = options.replicas.urls.map((url) => this.#createReplicaPool(url))
    this.replicas = this.#createReplicas()
    this.statements = new StatementCatalog(
      { describe: (text, oids) => this.#describe(text, oids), detach, formatDate: deps.formatDate },
      { ...TEXTS, prepareFromUse: options.prepared.enabled ? options.prepared.fromUse : Number.POSITIVE_INFINITY },
    )
    this.#runner = new QueryRunner({
      clock,
      pool: this.pool,
      lanes: this.lanes,
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

  /** Rejects when the primary cannot be reached; replicas and lanes may come later. */
  async start(): Promise<void> {
    await this.pool.warmUp()
    await this.loadCatalog()
    await this.lanes.start()
    await Promise.allSettled(this.#replicaPools.map((pool) => pool.warmUp()))
    await this.replicas.start()
  }

  async stop(drainMs: number): Promise<void> {
    this.replicas.stop()
    this.invalidation[Symbol.dispose]()
    await Promise.all([this.pool, ...this.#replicaPools].map((pool) => pool.stop(drainMs)))
    await this.lanes.stop()
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
    return this.#borrower.run({ context, stack: borrowerStack() }, begin)
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

  #createLanes(): ReadLanes {
    const { clock, background, client } = this.#deps
    // `pipeline` is new in pg 8.23 and not in its types yet.
    const pipelined: ClientConfig & { readonly pipeline: true } = { ...client, pipeline: true }
    const create = (): PooledConnection => this.#createConnection(pipelined)
    return new ReadLanes({ clock, background, create }, this.#options.lanes)
  }

  #createReplicaPool(url: string): ConnectionPool {
    const { client } = this.#deps
    const { pool, replicas } = this.#options
    const options = { ...pool, size: replicas.poolSize, overflow: 0 }
    return this.#createPool({ ...client, connectionString: url }, options)
  }

  #createReplicas(): ReplicaSet<ConnectionPool> {
    const { clock, background } = this.#deps
    return new ReplicaSet(
      {
        clock,
        background,
        versions: this.versions,
        primaryPosition: () => positionOf(this.pool, 'pg_current_wal_lsn()'),
        replicas: this.#replicaPools.map((pool) => ({
          pool,
          position: () => positionOf(pool, 'pg_last_wal_replay_lsn()'),
        })),
      },
      this.#options.replicas,
    )
  }

  #replicaFor({ context, analysis }: StatementCall): ConnectionPool | null {
    if (context?.mayUseReplica !== true) return null
    const tables = this.catalog.tablesRead(analysis)
    return tables === null ? null : this.replicas.choose(tables)
  }

  #createConnection(client: ClientConfig): PooledConnection {
    const { clock, formatDate } = this.#deps
    const { prepared, statementTimeoutMs } = this.#options
    return new PooledConnection(clock, this.#observer, { client, prepared, statementTimeoutMs, formatDate })
  }

  #createPool(client: ClientConfig, options: ConnectionPoolOptions): ConnectionPool {
    const { clock, random, background, events } = this.#deps
    const pool: ConnectionPool = new ConnectionPool(
      {
        clock,
        random,
        background,
        guard: (open) => this.breaker.guard(open),
        create: () => {
          const connection = this.#createConnection(client)
          this.#pools.set(connection, pool)
          return connection
        },
        setUp: (connection) => this.#explainer.setUp(connection),
        prepare: (connection) => this.#prepareHottest(connection),
        onLeak: (leak) => events.leak?.(leak),
      },
      options,
    )
    return pool
  }

  #createObserver(): ConnectionObserver {
    return {
      analyze: (text) => this.statements.analyze(text),
      effectOf: (analysis) => this.catalog.tablesWritten(analysis),
      announcement: (effect) => this.invalidation.announcement(effect),
      committed: (effect) => this.invalidation.committed(effect),
      executed: (execution) => {
        this.statistics.executed(execution)
        this.#slow.executed(execution)
      },
      lost: (connection) => {
        this.lanes.forget(connection)
        this.#pools.get(connection)?.forget(connection)
      },
      released: (connection) => this.#pools.get(connection)?.release(connection),
    }
  }

  /** For Kysely: transactions, streams and its own queries. Whoever forgets to give back is found by the stack. */
  async #lend(): Promise<PooledConnection> {
    const { context, stack } = this.#borrower.getStore() ?? { context: null, stack: borrowerStack() }
    return await this.pool.acquire({ signal: context?.signal, requestId: context?.requestId, stack })
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
    for (const statement of this.statements.mostUsed(this.#options.prepared.warmStatements)) {
      // A table may have gone since: then its statements are not wanted either.
      await connection.prepare(statement).catch(() => undefined)
    }
  }

  /** GENERIC_PLAN takes parameters as they are (PostgreSQL 16); a text with literals needs nothing of the kind. */
  async #explain({ call }: Executed): Promise<string> {
    const { text, parameters } = call.statement
    const options = parameters === null ? '' : 'generic_plan, '
    const sql = `explain (${options}format json) ${text}`
    const explain = new StatementCall({ text: sql, name: null, parameters: null }, this.#unknown(sql), null)
    const [row] = (await this.#runner.run(explain)).rows
    return JSON.stringify(row?.['QUERY PLAN'])
  }
}

async function positionOf(pool: ConnectionPool, position: string): Promise<bigint> {
  const connection = await pool.acquire()
  try {
    const [row] = await connection.ask(`select (${position} - '0/0')::text as bytes`)
    return BigInt(String(row?.['bytes']))
  } finally {
    pool.release(connection)
  }
}
