import { expect, test } from '@playwright/test'
import { Registry } from 'prom-client'
import { RecordingTimer } from '#fixtures/doubles/recording-timer.ts'
import type { Database, EntityManager } from '#optimizations/database/database.ts'
import { createTimedDatabase } from './timed-database.ts'

class Row {
  readonly id = 1
}

/** A database whose connection answers at once, and whose entity manager goes through that connection. */
function plainDatabase() {
  const seen: string[] = []
  const connection = { execute: async (sql: string) => [`rows of ${sql}`] }
  const em = { getConnection: () => connection, execute: async (sql: string) => connection.execute(sql) }
  const database = {
    orm: { em },
    outbox: {},
    metrics: new Registry(),
    statements: {
      register: (name: string) => void seen.push(`register ${name}`),
      execute: async (name: string) => [{ name }],
      usage: () => ({ registeredStatements: ['s'], usageStats: {}, totalUsage: 0 }),
    },
    fork: () => em,
    transaction: async <T>(work: (em: EntityManager) => Promise<T>) => work(em as unknown as EntityManager),
    query: async () => [{ one: 1 }],
    findByPrimaryKey: async () => null,
    cachedQuery: (read: () => Promise<unknown>) => () => read(),
    health: async () => ({ status: 'healthy', reasons: [] }),
    stats: () => ({}),
    stop: async () => void seen.push('stopped'),
  } as unknown as Database
  return { database, seen }
}

test('a statement of an entity manager is time in the database', async () => {
  const timer = new RecordingTimer()
  const database = createTimedDatabase(plainDatabase().database, () => timer)
  expect(await database.fork().execute('select 1')).toEqual(['rows of select 1'])
  expect(timer.seen).toEqual(['+db', '-db'])
})

test('a transaction is time in the database from its begin to its commit', async () => {
  const timer = new RecordingTimer()
  const database = createTimedDatabase(plainDatabase().database, () => timer)
  await database.transaction(async (em) => em.execute('select 1'))
  expect(timer.seen).toEqual(['+db', '+db', '-db', '-db'])
})

test('every other way to the rows is timed, and answers what the database answers', async () => {
  const timer = new RecordingTimer()
  const { database: plain, seen } = plainDatabase()
  await using database = createTimedDatabase(plain, () => timer)
  expect(await database.query('select 1')).toEqual([{ one: 1 }])
  expect(await database.statements.execute('s')).toEqual([{ name: 's' }])
  expect(await database.findByPrimaryKey(database.fork(), Row, 1)).toBeNull()
  expect(await database.cachedQuery(async () => 'cached', { name: 'q' })()).toBe('cached')
  expect(timer.seen.filter((one) => one === '+db')).toHaveLength(4)
  expect(timer.open).toBe(0)

  database.statements.register('s', 'select 1')
  expect(database.statements.usage().registeredStatements).toEqual(['s'])
  expect(database.outbox).toBe(plain.outbox)
  expect(database.metrics).toBe(plain.metrics)
  expect((await database.health()).status).toBe('healthy')
  expect(database.stats()).toEqual({})
  await database.stop()
  expect(seen).toEqual(['register s', 'stopped'])
})

test('outside of a request nothing is timed', async () => {
  const database = createTimedDatabase(plainDatabase().database, () => undefined)
  expect(await database.query('select 1')).toEqual([{ one: 1 }])
})
