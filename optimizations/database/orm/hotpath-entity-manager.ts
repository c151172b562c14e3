import type { AnyEntity, Dictionary, EntityData, LoggingOptions, QueryResult, RawQueryFragment } from '@mikro-orm/core'
import { EntityManager as PostgreSqlEntityManager } from '@mikro-orm/postgresql'
import type { EmExecuteOptions, NativeQueryBuilder } from '@mikro-orm/sql'
import { CONTEXT_KEY } from './hotpath-connection.ts'

type Executed = QueryResult | EntityData<AnyEntity> | EntityData<AnyEntity>[]
type Query = string | NativeQueryBuilder | RawQueryFragment
type Method = 'all' | 'get' | 'run'

/** `em.execute` and `em.begin` alone leave the logger context of their fork behind, and with it the request's. */
export class HotpathEntityManager extends PostgreSqlEntityManager {
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
