import { expect, test } from '@playwright/test'
import { Registry } from 'prom-client'
import { RecordingTimer } from '#fixtures/doubles/recording-timer.ts'
import type { Database, EntityManager } from '#optimizations/database/database.ts'
import { CurrentRequest, type RequestScope } from './current-request.ts'
import { createScopedDatabase } from './scoped-database.ts'

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

/** Runs the test as part of a request that takes its time. */
const inRequest =
  (body: (timer: RecordingTimer, requests: CurrentRequest) => Promise<void>, scope: RequestScope = {}) =>
  async (): Promise<void> => {
    const [timer, requests] = [new RecordingTimer(), new CurrentRequest()]
    await requests.run({ timer, ...scope }, () => body(timer, requests))
  }

test(
  'a statement of an entity manager is time in the database',
  inRequest(async (timer, requests) => {
    const database = createScopedDatabase(plainDatabase().database, requests)
    expect(await database.fork().execute('select 1')).toEqual(['rows of select 1'])
    expect(timer.seen).toEqual(['+db', '-db'])
  }),
)

test(
  'a transaction is time in the database from its begin to its commit',
  inRequest(async (timer, requests) => {
    const database = createScopedDatabase(plainDatabase().database, requests)
    await database.transaction(async (em) => em.execute('select 1'))
    expect(timer.seen).toEqual(['+db', '+db', '-db', '-db'])
  }),
)

test(
  'every other way to the rows is timed, and answers what the database answers',
  inRequest(async (timer, requests) => {
    const { database: plain, seen } = plainDatabase()
    await using database = createScopedDatabase(plain, requests)
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
  }),
)

test('outside of a request nothing is timed', async () => {
  const database = createScopedDatabase(plainDatabase().database, new CurrentRequest())
  expect(await database.query('select 1')).toEqual([{ one: 1 }])
})

test('whatever is asked carries id, signal and deadline of its request, unless it says otherwise', async () => {
  const { database: plain } = plainDatabase()
  const asked: unknown[] = []
  const note = (options: unknown) => void asked.push(options)
  const spying: Database = {
    ...plain,
    fork: (options) => {
      note(options)
      return plain.fork()
    },
    query: async (_sql, _params, options) => {
      note(options)
      return []
    },
    transaction: async (work, options) => {
      note(options)
      return work(plain.fork())
    },
    statements: {
      ...plain.statements,
      execute: async (_name, _params, options) => {
        note(options)
        return []
      },
    },
  }
  const requests = new CurrentRequest()
  const database = createScopedDatabase(spying, requests)
  const { signal } = new AbortController()
  const other = new AbortController().signal
  await requests.run({ requestId: 'one', signal, deadlineAt: 5, timer: new RecordingTimer() }, async () => {
    database.fork()
    await database.query('select 1')
    await database.transaction(async () => undefined)
    await database.statements.execute('s', [], { signal: other })
  })
  database.fork({ requestId: 'by hand' })
  const asker = { requestId: 'one', signal, deadlineAt: 5 }
  expect(asked).toEqual([asker, asker, asker, { ...asker, signal: other }, { requestId: 'by hand' }])
})
