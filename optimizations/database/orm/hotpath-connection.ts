import { isRaw, raw, type AnyEntity, type Configuration, type ConnectionOptions } from '@mikro-orm/core'
import type { EntityData, LoggingOptions, QueryResult, RawQueryFragment, Transaction } from '@mikro-orm/core'
import { NativeQueryBuilder, PostgreSqlConnection } from '@mikro-orm/postgresql'
import { CompiledQuery, PostgresDialect, type ControlledTransaction, type PostgresPool } from 'kysely'
import Cursor from 'pg-cursor'
import type { Answer } from '../pool/wire-query.ts'
import { RequestContext } from '../request-context.ts'
import { StatementCall } from '../statements/statement-call.ts'
import type { StatementCatalog } from '../statements/statement-catalog.ts'

/** What the connection of the ORM needs of the rest of this module. */
export interface HotpathEngine {
  readonly statements: StatementCatalog
  /** The pool in the shape that Kysely knows, for transactions, streams and queries of its own builder. */
  readonly kyselyPool: PostgresPool
  /** A statement outside of any transaction. */
  run(call: StatementCall): Promise<Answer>
  /** Called for each statement in the turn in which it was asked for, so that the stack still tells by whom. */
  noted(call: StatementCall, isInTransaction: boolean): void
  /** Makes the borrowing inside `begin` act for this request. */
  borrowFor<T>(context: RequestContext | null, begin: () => Promise<T>): Promise<T>
}

type Method = 'all' | 'get' | 'run'
type Executed = QueryResult | EntityData<AnyEntity> | EntityData<AnyEntity>[]

/** Where a request's context travels in the ORM's logger context. */
export const CONTEXT_KEY = 'hotpath'

/**
 * The ORM's connection, with `execute` redone: the ORM pastes literals into the text, this one sends parameters where
 * the server agreed that they mean the same. Follows MikroORM 7.2.1; a contract test fails when upstream changes it.
 */
export class HotpathConnection extends PostgreSqlConnection {
  readonly #getEngine: () => HotpathEngine

  constructor(
    engine: () => HotpathEngine,
    config: Configuration,
    options?: ConnectionOptions,
    type?: 'read' | 'write',
  ) {
    super(config, options, type)
    this.#getEngine = engine
  }

  get #engine(): HotpathEngine {
    return this.#getEngine()
  }

  override createKyselyDialect(): PostgresDialect {
    return new PostgresDialect({ pool: this.#engine.kyselyPool, cursor: Cursor })
  }

  // oxlint-disable-next-line max-params -- the ORM's own signature
  override async execute<T extends Executed = EntityData<AnyEntity>[]>(
    query: string | NativeQueryBuilder | RawQueryFragment,
    params: readonly unknown[] = [],
    method: Method = 'all',
    ctx?: Transaction,
    loggerContext?: LoggingOptions,
  ): Promise<T> {
    if (!this.connected) await this.connect()
    const { sql, values } = this.#prepare(query, params)
    const { context, rest } = readContext(loggerContext)
    const prepared = this.#engine.statements.ofTemplate(sql, values, () => this.platform.formatQuery(sql, values))
    const { statement } = prepared
    const call = new StatementCall(statement, prepared, context)
    this.#engine.noted(call, ctx !== undefined)
    const shown = this.config.getLogger().isEnabled('query-params', rest) ? this.platform.formatQuery(sql, values) : sql
    return await this.executeQuery<T>(
      shown,
      async () => {
        if (ctx === undefined) return this.transformRawResult<T>(asKysely(await this.#engine.run(call)), method)
        const compiled = CompiledQuery.raw(statement.text, [call])
        return this.transformRawResult<T>(await (ctx as ControlledTransaction<unknown>).executeQuery(compiled), method)
      },
      { query: sql, params: values, ...rest },
    )
  }

  override async begin(
    options: Parameters<PostgreSqlConnection['begin']>[0] = {},
  ): ReturnType<PostgreSqlConnection['begin']> {
    const { context } = readContext(options.loggerContext)
    return await this.#engine.borrowFor(context, () => super.begin(options))
  }

  /** The same steps as the private `prepareQuery` of the ORM, short of formatting. */
  #prepare(query: string | NativeQueryBuilder | RawQueryFragment, params: readonly unknown[]) {
    let sql = query instanceof NativeQueryBuilder ? query.toRaw() : query
    if (typeof sql === 'string' && !Array.isArray(params)) sql = raw(sql, params as never)
    const values = isRaw(sql) ? sql.params : params
    const text = isRaw(sql) ? sql.sql : sql
    return { sql: this.config.get('onQuery')(text, values), values }
  }
}

/** The abort options ride in the logger context as well: the signal is in the request's context already, or made one. */
function readContext(loggerContext: LoggingOptions | undefined) {
  if (loggerContext === undefined) return { context: null, rest: undefined }
  const {
    signal,
    inflightQueryAbortStrategy: _,
    [CONTEXT_KEY]: context,
    ...rest
  } = loggerContext as Record<string, unknown>
  if (context instanceof RequestContext && (signal === undefined || signal === context.signal)) return { context, rest }
  if (signal instanceof AbortSignal) return { context: new RequestContext({ signal }), rest }
  return { context: null, rest }
}

function asKysely({ command, rowCount, rows }: Answer) {
  const changes = command === 'INSERT' || command === 'UPDATE' || command === 'DELETE' || command === 'MERGE'
  return { rows, ...(changes ? { numAffectedRows: BigInt(rowCount ?? 0) } : {}) }
}
