import type { Database } from '#optimizations/database/database.ts'
import { timed, type CurrentTimer } from './phase-timer.ts'

type Execute = (...args: readonly unknown[]) => Promise<unknown>

/**
 * Times every statement that entity managers send. MikroORM has no hook around a statement (`onQuery` comes before it,
 * the logger after it and in whole milliseconds), so the public `execute` of its one connection is replaced.
 */
function timeStatements(database: Database, current: CurrentTimer): void {
  const connection = database.orm.em.getConnection() as unknown as { execute: Execute }
  const execute = connection.execute.bind(connection)
  connection.execute = (...args) => timed(current(), 'db', () => execute(...args))
}

/** The same database, which tells the request that calls it how long it took. */
export function createTimedDatabase(database: Database, current: CurrentTimer): Database {
  timeStatements(database, current)
  const { statements } = database
  return {
    orm: database.orm,
    outbox: database.outbox,
    metrics: database.metrics,
    statements: {
      register: (name, sql) => statements.register(name, sql),
      execute: (name, params, options) => timed(current(), 'db', () => statements.execute(name, params, options)),
      usage: () => statements.usage(),
    },
    fork: (options) => database.fork(options),
    transaction: (work, options) => timed(current(), 'db', () => database.transaction(work, options)),
    query: (sql, params, options) => timed(current(), 'db', () => database.query(sql, params, options)),
    findByPrimaryKey: (em, entity, key) => timed(current(), 'db', () => database.findByPrimaryKey(em, entity, key)),
    cachedQuery: (read, options) => {
      const run = database.cachedQuery(read, options)
      return (...args) => timed(current(), 'db', () => run(...args))
    },
    health: () => database.health(),
    stats: () => database.stats(),
    stop: () => database.stop(),
    [Symbol.asyncDispose]: () => database.stop(),
  }
}
