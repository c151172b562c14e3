import type { EntityName, IsolationLevel, MikroORM, Primary } from '@mikro-orm/core'
import type { PostgreSqlDriver, SqlEntityManager } from '@mikro-orm/postgresql'
import type { Registry } from 'prom-client'
import type { Health } from '#optimizations/kernel/health.ts'
import type { FingerprintStats, PoolStats, QueryStats, StatementUsage } from './database-stats.ts'
import type { OutboxStore } from './outbox-store.ts'

export type EntityManager = SqlEntityManager<PostgreSqlDriver>

export type Row = Record<string, unknown>

/** Who is asking, for how long, and whether rows that were read before will do. One per request. */
export interface ForkOptions {
  /** Aborting it frees the backend: the running statement is cancelled on the server. */
  readonly signal?: AbortSignal
  /** When the asker stops waiting, in epoch milliseconds: becomes the statement timeout of what is sent. */
  readonly deadlineAt?: number
  /** Shown with slow queries, leaks and N+1 reports. */
  readonly requestId?: string
  /** Lets reads outside a transaction be answered from the query results. */
  readonly cache?: CacheReads
  /** Lets reads outside a transaction go to a replica that has all that this process knows to be written. */
  readonly replica?: boolean
  /** Separates cached rows whose meaning depends on more than SQL and parameters, such as a tenant. */
  readonly context?: string
}

/** `true` lets the time to live follow the tables' write rate and the query's cost. */
export type CacheReads = boolean | { readonly ttlMs: number }

export interface TransactionOptions extends Omit<ForkOptions, 'cache' | 'replica'> {
  readonly isolation?: IsolationLevel
  /** How often the whole transaction may be tried again after a serialization failure or a deadlock. 10 by default. */
  readonly retries?: number
}

export interface QueryOptions extends ForkOptions {}

/** Statements written by hand and run by name. Parameters are `$1`, `$2`, …, with PostgreSQL's own types. */
export interface Statements {
  /** Throws for a name that is taken by another text. */
  register(name: string, sql: string): void
  /** Unknown names reject with `statement_unknown`. */
  execute<R extends object = Row>(name: string, params?: readonly unknown[], options?: QueryOptions): Promise<R[]>
  usage(): StatementUsage
}

export interface DatabaseStats {
  readonly connectionPool: PoolStats
  readonly queryPerformance: QueryStats
  readonly preparedStatements: StatementUsage
  /** The costliest query shapes, most time in total first. */
  readonly topQueries: readonly FingerprintStats[]
}

export interface DatabaseHealth extends Health {
  readonly connectionPool: PoolStats
  readonly queryPerformance: QueryStats
  readonly preparedStatements: StatementUsage
  readonly optimizationEnabled: boolean
}

/** The one door to PostgreSQL. `startDatabase` opens it; nothing here needs to know an entity. */
export interface Database extends AsyncDisposable {
  /** For migrations and schema work. Requests go through `fork` and `transaction`. */
  readonly orm: MikroORM<PostgreSqlDriver>
  readonly outbox: OutboxStore
  readonly statements: Statements
  readonly metrics: Registry

  /** A fresh entity manager: one per request, never shared between two. */
  fork(options?: ForkOptions): EntityManager

  /**
   * Runs `work` in a transaction of its own and commits. The whole of it is run again, with a fresh entity manager,
   * after a serialization failure or a deadlock: `work` may run several times and must do nothing that it cannot
   * repeat. What it throws rolls back and is thrown on.
   */
  transaction<T>(work: (em: EntityManager) => Promise<T>, options?: TransactionOptions): Promise<T>

  /** Rows of hand-written SQL with `$1`, `$2`, … outside any transaction. */
  query<R extends object = Row>(sql: string, params?: readonly unknown[], options?: QueryOptions): Promise<R[]>

  /**
   * The entity, or null, managed by `em`. Reads of one turn of the event loop share one query; identical ones share
   * one row. Inside a transaction, with populate, or with a filter on the entity it is exactly `em.findOne`.
   */
  findByPrimaryKey<E extends object>(em: EntityManager, entity: EntityName<E>, key: Primary<E>): Promise<E | null>

  /**
   * Wraps a reading function so that its result is kept until a table that it read is written to, in this process
   * or another. The result must be plain data and is frozen; an entity in it rejects with `result_uncacheable`.
   */
  cachedQuery<A extends readonly unknown[], T>(
    read: (em: EntityManager, ...args: A) => Promise<T>,
    options: CachedQueryOptions<A>,
  ): (...args: A) => Promise<T>

  /** A live probe with a timeout. Never rejects. */
  health(): Promise<DatabaseHealth>
  stats(): DatabaseStats
  /** Takes nothing new, waits for what runs, closes. Idempotent. */
  stop(): Promise<void>
}

export interface CachedQueryOptions<A extends readonly unknown[]> {
  /** Names the reading function among all others of the process. */
  readonly name: string
  readonly ttlMs?: number
  /** What tells two calls apart; the arguments as JSON by default. */
  readonly key?: (...args: A) => string
}
