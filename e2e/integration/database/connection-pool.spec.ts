import { setTimeout as pause } from 'node:timers/promises'
import { Author } from '#fixtures/data/library.ts'
import type { Leak } from '#optimizations/database/pool/connection-pool.ts'
import { openLibrary, seedLibrary } from '#fixtures/data/library-database.ts'
import { startFaultProxy } from '#fixtures/services/proxy/fault-proxy.ts'
import { expect, test } from '#fixtures/test.ts'

test('a burst of two hundred borrowers opens more than the twenty of the pool and at most fifty, and twenty are left', async ({
  postgres,
}) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url, {
    pool: { size: 20, overflow: 30, lingerMs: 400 },
    applicationName: 'burst',
  })
  const open = async () => {
    const sql = "select count(*)::int as n from pg_stat_activity where application_name = 'burst'"
    return (await database.query<{ n: number }>(sql))[0]?.n
  }
  expect(await open()).toBe(20)
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, n) => database.query<{ n: number }>('select $1::int as n, pg_sleep(0.02)', [n])),
  )
  for (const [n, [row]] of answers.entries()) expect(row?.n).toBe(n)
  const { openedConnections, totalConnections, overflow } = database.stats().connectionPool
  expect(openedConnections).toBeGreaterThan(20)
  expect(openedConnections).toBeLessThanOrEqual(50)
  expect(overflow).toBe(totalConnections - 20)
  await expect.poll(() => database.stats().connectionPool.totalConnections).toBe(20)
  await expect.poll(open).toBe(20)
})

test('those who wait are served in the order of their coming, and each for its own time only', async ({ postgres }) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url, {
    pool: { size: 1, overflow: 0, acquireTimeoutMs: 5_000, maxWaiting: 3 },
  })
  const held = Promise.withResolvers<void>()
  const holding = database.transaction(async () => await held.promise)
  await expect.poll(() => database.stats().connectionPool.checkedOut).toBe(1)
  const order: string[] = []
  const ask = async (name: string, options: { signal?: AbortSignal; deadlineAt?: number } = {}): Promise<string> => {
    await database.query('select 1', [], options)
    order.push(name)
    return name
  }
  const first = ask('first')
  const leaving = new AbortController()
  const left = ask('left', { signal: leaving.signal })
  const late = ask('late', { deadlineAt: Date.now() + 50 })
  expect(database.stats().connectionPool.waiting).toBe(3)
  await expect(ask('one too many')).rejects.toMatchObject({ code: 'pool_queue_full', retryable: true })
  leaving.abort(new Error('left the line'))
  await expect(left).rejects.toThrow('left the line')
  await expect(late).rejects.toMatchObject({ code: 'pool_acquire_timeout', retryable: true })
  const second = ask('second')
  held.resolve()
  expect(await Promise.all([first, second])).toEqual(['first', 'second'])
  expect(order).toEqual(['first', 'second'])
  await holding
  expect(database.stats().connectionPool).toMatchObject({ waiting: 0, acquireTimeouts: 1 })
})

test('a loan that is not given back is reported once, with the stack of its borrower', async ({ postgres }) => {
  await postgres.reset()
  const leaks: Leak[] = []
  const events = { leak: (leak: Leak) => void leaks.push(leak) }
  await using database = await openLibrary(postgres.url, { pool: { size: 2, leakThresholdMs: 100 } }, { events })
  async function forgetful(): Promise<void> {
    const em = database.fork({ requestId: 'request 7' })
    await em.begin()
    await expect.poll(() => leaks.length).toBe(1)
    await pause(200)
    await em.rollback()
  }
  await forgetful()
  expect(leaks).toHaveLength(1)
  expect(leaks[0]).toMatchObject({ requestId: 'request 7', lastStatement: expect.stringMatching(/begin|start/) })
  expect(leaks[0]?.stack).toContain('forgetful')
  expect((await database.health()).reasons.join()).toContain('held for too long')
})

test('a pool that is stopped under load serves who is in line, and nobody after', async ({ postgres }) => {
  await postgres.reset()
  const database = await openLibrary(postgres.url, { pool: { size: 2, overflow: 2 } })
  const running = Array.from({ length: 40 }, (_, n) =>
    database.query<{ n: number }>('select $1::int as n, pg_sleep(0.01)', [n]),
  )
  await expect.poll(() => database.stats().connectionPool.checkedOut).toBe(4)
  const stopped = database.stop()
  await expect(database.query('select 1')).rejects.toMatchObject({ code: 'database_stopped' })
  for (const [n, [row]] of (await Promise.all(running)).entries()) expect(row?.n).toBe(n)
  await stopped
  await database.stop()
  expect(database.stats().connectionPool.totalConnections).toBe(0)
})

test('what outlasts the drain is cut, and its caller told', async ({ postgres }) => {
  await postgres.reset()
  const database = await openLibrary(postgres.url, { pool: { size: 1, overflow: 0 }, drainMs: 100 })
  const endless = expect(database.query('select pg_sleep(30)')).rejects.toThrow()
  const inLine = expect(database.query('select 1')).rejects.toMatchObject({ code: 'database_stopped' })
  await database.stop()
  await endless
  await inLine
})

test('connections are replaced when their time is over, at different times, and fail no query', async ({
  postgres,
}) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url, { pool: { size: 4, maxLifetimeMs: 300, lingerMs: 100 } })
  await seedLibrary(database)
  await expect
    .poll(async () => {
      expect(await database.fork().findOne(Author, 1)).toMatchObject({ id: 1 })
      return database.stats().connectionPool.openedConnections
    })
    .toBeGreaterThan(12)
  expect(database.stats().connectionPool.invalidConnections).toBe(0)
})

test('a server that has no more connections to give is not asked again and again', async ({ postgres }) => {
  await postgres.reset()
  await using admin = await openLibrary(postgres.url, { pool: { size: 1, overflow: 0 } })
  await admin.query("create role crowded login password 'crowded' connection limit 3")
  try {
    await admin.query('grant all on schema public to crowded')
    await using proxy = await startFaultProxy(postgres.url)
    const url = new URL(proxy.through(postgres.url))
    url.username = 'crowded'
    url.password = 'crowded'
    // Not shared with other processes: a listener would take one of the three, at a moment of its own.
    await using database = await openLibrary(url.href, {
      pool: { size: 2, overflow: 20, lingerMs: 60_000 },
      results: { isShared: false },
    })
    const ask = async (n: number): Promise<void> => {
      for (let round = 0; round < 8; round++) {
        expect(await database.query('select $1::int as n, pg_sleep(0.01)', [n])).toMatchObject([{ n }])
      }
    }
    await Promise.all(Array.from({ length: 30 }, (_, n) => ask(n)))
    // The last ones that nobody waits for any more may still be on their way to be refused.
    await expect.poll(() => database.stats().connectionPool.totalConnections).toBeLessThanOrEqual(3)
    // All that the pool may have, and once more where the machine was so busy that the pause was over meanwhile.
    expect(proxy.counters.accepted).toBeLessThanOrEqual(2 * 22)
  } finally {
    await admin.query('drop owned by crowded')
    await admin.query('drop role crowded')
  }
})
