import type { EntityName, MikroORM, Primary } from '@mikro-orm/core'
import type { PostgreSqlDriver } from '@mikro-orm/postgresql'
import type { Pool } from 'pg'
import { Registry } from 'prom-client'
import type { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import type { Clock } from '#optimizations/kernel/clock.ts'
import { withDeadline } from '#optimizations/kernel/deadline.ts'
import { describeError } from '#optimizations/kernel/errors.ts'
import { LatencyHistogram } from '#optimizations/kernel/histogram.ts'
import type { Random } from '#optimizations/kernel/random.ts'
import type {
  CachedQueryOptions,
  Database,
  DatabaseHealth,
  DatabaseStats,
  EntityManager,
  ForkOptions,
  Row,
  TransactionOptions,
} from './database.ts'
import { DatabaseError } from './errors.ts'
import type { NotificationListener } from './notification-listener.ts'
import { keepOutboxSmall } from './outbox-retention.ts'
import { OutboxStore, type OutboxRetention } from './outbox-store.ts'
import { retryTransaction } from './recovery/transaction-retry.ts'
import { StatementRegistry } from './statements/statement-registry.ts'

const PROBE_TIMEOUT_MS = 2_000

export interface StockDatabaseDeps {
  readonly clock: Clock
  readonly random: Random
  readonly background: BackgroundTasks
  readonly orm: MikroORM<PostgreSqlDriver>
  readonly listener: NotificationListener
  readonly retention: OutboxRetention
}

/** MikroORM as it comes, behind the same surface: what the optimizations are measured against. */
export class StockDatabase implements Database {
  readonly orm: MikroORM<PostgreSqlDriver>
  readonly outbox: OutboxStore
  readonly statements: StatementRegistry
  readonly metrics = new Registry()
  readonly #deps: StockDatabaseDeps
  readonly #times = new LatencyHistogram()
  #totalTimeMs = 0
  readonly #retention: Disposable
  #stopped: Promise<void> | null = null

  constructor(deps: StockDatabaseDeps) {
    this.#deps = deps
    this.orm = deps.orm
    this.statements = new StatementRegistry(deps.clock, (sql, params) => this.query(sql, params))
    this.outbox = new OutboxStore({
      query: (sql, params) => this.query(sql, params),
      transaction: (work) => this.#rawTransaction(work),
      onNotify: (channel, listener) => deps.listener.on(channel, listener),
    })
    this.#retention = keepOutboxSmall(deps, this.outbox, deps.retention)
  }

  fork(options: ForkOptions = {}): EntityManager {
    const { signal } = options
    return this.orm.em.fork(signal === undefined ? {} : { signal, inflightQueryAbortStrategy: 'cancel query' })
  }

  async transaction<T>(work: (em: EntityManager) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    const isolation = options.isolation === undefined ? {} : { isolationLevel: options.isolation }
    return await retryTransaction(this.#deps, options, () => this.fork(options).transactional(work, isolation))
  }

  async query<R extends object = Row>(sql: string, params: readonly unknown[] = []): Promise<R[]> {
    const pool = await this.#pool()
    const startedAt = this.#deps.clock.monotonic()
    const { rows } = await pool.query<R>(sql, [...params])
    const tookMs = this.#deps.clock.monotonic() - startedAt
    this.#totalTimeMs += tookMs
    this.#times.record(tookMs)
    return rows
  }

  async findByPrimaryKey<E extends object>(
    em: EntityManager,
    entity: EntityName<E>,
    key: Primary<E>,
  ): Promise<E | null> {
    return await em.findOne<E>(entity, key as never)
  }

  cachedQuery<A extends readonly unknown[], T>(
    read: (em: EntityManager, ...args: A) => Promise<T>,
    _options: CachedQueryOptions<A>,
  ): (...args: A) => Promise<T> {
    return (...args) => read(this.fork(), ...args)
  }

  async health(): Promise<DatabaseHealth> {
    const startedAt = this.#deps.clock.monotonic()
    const failed = await withDeadline('The database probe', PROBE_TIMEOUT_MS, this.query('select 1')).then(
      () => null,
      describeError,
    )
    const { connectionPool, queryPerformance, preparedStatements } = this.stats()
    return {
      status: failed === null ? 'healthy' : 'unhealthy',
      reasons: failed === null ? [] : [failed],
      ...(failed === null ? { roundTripMs: this.#deps.clock.monotonic() - startedAt } : {}),
      connectionPool,
      queryPerformance,
      preparedStatements,
      optimizationEnabled: false,
    }
  }

  stats(): DatabaseStats {
    return {
      connectionPool: EMPTY_POOL,
      queryPerformance: this.#queryStats(),
      preparedStatements: this.statements.usage(),
      topQueries: [],
    }
  }

  stop(): Promise<void> {
    this.#stopped ??= (async () => {
      this.#retention[Symbol.dispose]()
      await this.#deps.listener[Symbol.asyncDispose]()
      await this.orm.close(true)
    })()
    return this.#stopped
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #queryStats() {
    const { count } = this.#times.snapshot()
    return {
      queryCount: count,
      totalTimeMs: this.#totalTimeMs,
      avgQueryTimeMs: count === 0 ? 0 : this.#totalTimeMs / count,
      slowQueries: 0,
      slowQueryRate: 0,
      cacheHits: 0,
      cacheMisses: 0,
      cacheHitRate: 0,
      preparedStatementUsage: 0,
    }
  }

  async #pool(): Promise<Pool> {
    // The ORM would open a new pool, which nobody would close.
    if (this.#stopped !== null) throw new DatabaseError('database_stopped', 'The database is stopped')
    return await this.orm.em.getConnection().getNativeClient()
  }

  async #rawTransaction<T>(
    work: (query: (sql: string, params: readonly unknown[]) => Promise<readonly object[]>) => Promise<T>,
  ): Promise<T> {
    const client = await (await this.#pool()).connect()
    try {
      await client.query('begin')
      const answer = await work(async (sql, params) => (await client.query<Row>(sql, [...params])).rows)
      await client.query('commit')
      client.release()
      return answer
    } catch (error) {
      // The connection is thrown away with its open transaction.
      client.release(true)
      throw error
    }
  }
}

const NO_TIMES = new LatencyHistogram().snapshot()
const EMPTY_POOL = {
  poolSize: 0,
  checkedIn: 0,
  checkedOut: 0,
  overflow: 0,
  totalConnections: 0,
  invalidConnections: 0,
  openedConnections: 0,
  waiting: 0,
  acquireTimeouts: 0,
  leaks: 0,
  acquire: NO_TIMES,
  usage: NO_TIMES,
  create: NO_TIMES,
}
