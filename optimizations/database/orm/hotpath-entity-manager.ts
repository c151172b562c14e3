import type { AnyEntity, Dictionary, EntityData, LoggingOptions, QueryResult, RawQueryFragment } from '@mikro-orm/core'
import { EntityManager as PostgreSqlEntityManager, type EmExecuteOptions } from '@mikro-orm/postgresql'
import type { NativeQueryBuilder } from '@mikro-orm/postgresql'
import { CONTEXT_KEY } from './hotpath-connection.ts'

type Executed = QueryResult | EntityData<AnyEntity> | EntityData<AnyEntity>[]
type Query = string | NativeQueryBuilder | RawQueryFragment
type Method = 'all' | 'get' | 'run'

/**
 * `em.execute` and `em.begin` alone leave the logger context of their fork behind, and with it the request's. Whether a
 * filter was added to an entity manager only it knows, privately: reads that go past the query builder have to.
 */
export class HotpathEntityManager extends PostgreSqlEntityManager {
  /** Whether `addFilter` was called on this one, or on one that it was forked from. */
  hasAddedFilters = false

  override addFilter(...options: Parameters<PostgreSqlEntityManager['addFilter']>): void {
    super.addFilter(...options)
    ;(this.getContext(false) as HotpathEntityManager).hasAddedFilters = true
  }

  override fork(options?: Parameters<PostgreSqlEntityManager['fork']>[0]): this {
    const fork = super.fork(options)
    fork.hasAddedFilters = this.hasAddedFilters
    return fork
  }

  override execute<T extends Executed = EntityData<AnyEntity>[]>(
    query: Query,
    params?: unknown[] | Dictionary,
    method?: Method,
    loggerContext?: LoggingOptions,
  ): Promise<T>
  override execute<T extends Executed = EntityData<AnyEntity>[]>(
    query: Query,
    params: unknown[] | Dictionary,
    options: EmExecuteOptions,
  ): Promise<T>
  override async execute<T extends Executed = EntityData<AnyEntity>[]>(
    query: Query,
    params: unknown[] | Dictionary = [],
    method: Method | EmExecuteOptions = 'all',
    logging?: LoggingOptions,
  ): Promise<T> {
    const options: EmExecuteOptions = typeof method === 'string' ? { method } : method
    const context: unknown = this.getContext(false).getLoggerContext()[CONTEXT_KEY]
    const loggerContext = { [CONTEXT_KEY]: context, ...logging, ...options.loggerContext }
    return await super.execute<T>(query, params, { ...options, loggerContext })
  }

  override async begin(options: Parameters<PostgreSqlEntityManager['begin']>[0] = {}): Promise<void> {
    await super.begin({ loggerContext: this.getContext(false).getLoggerContext(), ...options })
  }
}
