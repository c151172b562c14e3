import type { Database } from '#optimizations/database/database.ts'
import type { CurrentRequest } from './current-request.ts'
import { timed } from './phase-timer.ts'

type Execute = (...args: readonly unknown[]) => Promise<unknown>

/**
 * Times every statement that entity managers send. MikroORM has no hook around a statement (`onQuery` comes before it,
 * the logger after it and in whole milliseconds), so the public `execute` of its one connection is replaced.
 */
function timeStatements(database: Database, requests: CurrentRequest): void {
  const connection = database.orm.em.getConnection() as unknown as { execute: Execute }
  const execute = connection.execute.bind(connection)
  connection.execute = (...args) => timed(requests.scope?.timer, 'db', () => execute(...args))
}

/**
 * The same database on behalf of the current request: whatever is asked carries the request's id, signal and deadline
 * unless it is told otherwise, and is time of that request.
 */
export function createScopedDatabase(database: Database, requests: CurrentRequest): Database {
  timeStatements(database, requests)
  const { statements } = database
  const inDatabase = <T>(work: () => Promise<T>): Promise<T> => timed(requests.scope?.timer, 'db', work)
  return {
    orm: database.orm,
    outbox: database.outbox,
    metrics: database.metrics,
    statements: {
      register: (name, sql) => statements.register(name, sql),
      execute: (name, params, options) =>
        inDatabase(() => statements.execute(name, params, { ...requests.asker, ...options })),
      usage: () => statements.usage(),
    },
    fork: (options) => database.fork({ ...requests.asker, ...options }),
    transaction: (work, options) => inDatabase(() => database.transaction(work, { ...requests.asker, ...options })),
    query: (sql, params, options) => inDatabase(() => database.query(sql, params, { ...requests.asker, ...options })),
    findByPrimaryKey: (em, entity, key) => inDatabase(() => database.findByPrimaryKey(em, entity, key)),
    cachedQuery: (read, options) => {
      const run = database.cachedQuery(read, options)
      return (...args) => inDatabase(() => run(...args))
    },
    health: () => database.health(),
    stats: () => database.stats(),
    stop: () => database.stop(),
    [Symbol.asyncDispose]: () => database.stop(),
  }
}
