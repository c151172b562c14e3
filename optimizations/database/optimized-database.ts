import type { EntityName, MikroORM, Primary } from '@mikro-orm/core'
import type { PostgreSqlDriver } from '@mikro-orm/postgresql'
import type { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import type { Clock } from '#optimizations/kernel/clock.ts'
import type { Random } from '#optimizations/kernel/random.ts'
import type {
  CachedQueryOptions,
  Database,
  DatabaseHealth,
  DatabaseStats,
  EntityManager,
  ForkOptions,
  QueryOptions,
  Row,
  TransactionOptions,
} from './database.ts'
import type { DatabaseEvents } from './database-events.ts'
import { createMetrics } from './database-metrics.ts'
import type { Engine } from './engine.ts'
import { isConnectionLoss, DatabaseError } from './errors.ts'
import { PrimaryKeyFinder } from './finders/primary-key-finder.ts'
import { probeHealth } from './health-probe.ts'
import type { NotificationListener } from './notification-listener.ts'
import { CONTEXT_KEY } from './orm/hotpath-connection.ts'
import { keepOutboxSmall } from './outbox-retention.ts'
import { OutboxStore, type OutboxRetention } from './outbox-store.ts'
import { isStalePlan } from './query-runner.ts'
import { retryTransaction } from './recovery/transaction-retry.ts'
import { RequestContext } from './request-context.ts'
import type { ReadDependencies } from './results/read-dependencies.ts'
import { memoizeQuery } from './results/result-memo.ts'
import { StatementCall } from './statements/statement-call.ts'
import { StatementRegistry } from './statements/statement-registry.ts'

export interface OptimizedDatabaseDeps {
  readonly clock: Clock
  readonly random: Random
  readonly events: DatabaseEvents
  readonly orm: MikroORM<PostgreSqlDriver>
  readonly engine: Engine
  readonly listener: NotificationListener
  readonly background: BackgroundTasks
  readonly retention: OutboxRetention
  /** How long `stop` waits for what is running. */
  readonly drainMs: number
}

const TOP_QUERIES = 20

/** The database with all of it. */
export class OptimizedDatabase implements Database {
  readonly orm: MikroORM<PostgreSqlDriver>
  readonly engine: Engine
  readonly outbox: OutboxStore
  readonly statements: StatementRegistry
  readonly metrics
  readonly #deps: OptimizedDatabaseDeps
  readonly #finder: PrimaryKeyFinder
  readonly #retention: Disposable
  #stopped: Promise<void> | null = null

  constructor(deps: OptimizedDatabaseDeps) {
    this.#deps = deps
    this.orm = deps.orm
    this.engine = deps.engine
    this.metrics = createMetrics(() => this.stats())
    this.statements = new StatementRegistry(deps.clock, (sql, params, options) => this.#run(sql, params, options, true))
    this.#finder = new PrimaryKeyFinder({
      query: (sql, params) => this.#run(sql, params, {}, true),
      versions: deps.engine.versions,
    })
    this.outbox = new OutboxStore({
      query: (sql, params) => this.#run(sql, params, {}, true),
      transaction: (work) => this.#rawTransaction(work),
      onNotify: (channel, listener) => deps.listener.on(channel, listener),
    })
    this.#retention = keepOutboxSmall(deps, this.outbox, deps.retention)
  }

  fork(options: ForkOptions = {}): EntityManager {
    return this.#fork(new RequestContext(options))
  }

  async transaction<T>(work: (em: EntityManager) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    const { clock, random, events, engine } = this.#deps
    const isolation = options.isolation === undefined ? {} : { isolationLevel: options.isolation }
    const deps = {
      clock,
      random,
      onRetry: (error: unknown, attempt: number) => {
        if (isStalePlan(error)) engine.pool.forgetPrepared()
        events.transactionRetry?.(error, attempt)
      },
      // A transaction goes with its connection, and a plan fails before it runs: in both cases nothing was committed.
      isSurelyRolledBack: (error: unknown) => !isInDoubt(error) && (isConnectionLoss(error) || isStalePlan(error)),
    }
    return await retryTransaction(deps, options, () => this.fork(options).transactional(work, isolation))
  }

  async query<R extends object = Row>(
    sql: string,
    params: readonly unknown[] = [],
    options: QueryOptions = {},
  ): Promise<R[]> {
    return await this.#run<R>(sql, params, options, false)
  }

  async findByPrimaryKey<E extends object>(
    em: EntityManager,
    entity: EntityName<E>,
    key: Primary<E>,
  ): Promise<E | null> {
    return await this.#finder.find(em, entity, key)
  }

  cachedQuery<A extends readonly unknown[], T>(
    read: (em: EntityManager, ...args: A) => Promise<T>,
    options: CachedQueryOptions<A>,
  ): (...args: A) => Promise<T> {
    const fork = (dependencies: ReadDependencies): EntityManager => {
      const context = new RequestContext({})
      context.dependencies = dependencies
      return this.#fork(context)
    }
    return memoizeQuery({ memory: this.engine.memory, fork }, read, options)
  }

  async health(): Promise<DatabaseHealth> {
    const { engine, listener, clock } = this.#deps
    const { longTransactionMs } = engine.options.health
    return await probeHealth({ clock, engine, listener, longTransactionMs, stats: () => this.stats() })
  }

  stats(): DatabaseStats {
    const { pool, statistics, statements } = this.engine
    return {
      connectionPool: pool.stats(),
      queryPerformance: statistics.totals(statements.preparedUses),
      preparedStatements: this.statements.usage(),
      topQueries: statistics.top(TOP_QUERIES),
    }
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #stop(): Promise<void> {
    const { engine, listener, orm, drainMs } = this.#deps
    this.#retention[Symbol.dispose]()
    await engine.stop(drainMs)
    await listener[Symbol.asyncDispose]()
    await orm.close(true)
  }

  #fork(context: RequestContext): EntityManager {
    const { signal } = context
    return this.orm.em.fork({
      loggerContext: { [CONTEXT_KEY]: context },
      ...(signal === undefined ? {} : { signal }),
    })
  }

  async #run<R extends object = Row>(
    sql: string,
    params: readonly unknown[],
    options: QueryOptions,
    isRegistered: boolean,
  ): Promise<R[]> {
    const prepared = this.engine.statements.ofText(sql, params, isRegistered)
    const call = new StatementCall(prepared.statement, prepared, new RequestContext(options))
    this.engine.noted(call, false)
    return (await this.engine.run(call)).rows as R[]
  }

  async #rawTransaction<T>(
    work: (query: (sql: string, params: readonly unknown[]) => Promise<readonly object[]>) => Promise<T>,
  ): Promise<T> {
    const { pool, statements } = this.engine
    const connection = await pool.acquire({ watched: pool.watch() })
    const query = async (sql: string, params: readonly unknown[]): Promise<readonly object[]> => {
      const prepared = statements.ofText(sql, params, true)
      return (await connection.run(new StatementCall(prepared.statement, prepared, null))).rows
    }
    try {
      await query('begin', [])
      const answer = await work(query)
      await query('commit', [])
      return answer
    } finally {
      // The pool closes a connection that comes back with its transaction open.
      pool.release(connection)
    }
  }
}

function isInDoubt(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; depth += 1) {
    if (at instanceof DatabaseError && at.code === 'commit_in_doubt') return true
    at = Reflect.get(at, 'previous') ?? at.cause
  }
  return false
}
