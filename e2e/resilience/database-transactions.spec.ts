import { IsolationLevel } from '@mikro-orm/core'
import { Author, Book } from '#fixtures/data/library.ts'
import { openLibrary, seedLibrary } from '#fixtures/data/library-database.ts'
import { expect, test } from '#fixtures/test.ts'

test('twenty serializable writers of one row all commit, and none of their work is lost or done twice', async ({
  postgres,
}) => {
  await postgres.reset()
  const retries: number[] = []
  const events = { transactionRetry: (_: unknown, attempt: number) => void retries.push(attempt) }
  await using database = await openLibrary(postgres.url, { pool: { size: 20 } }, { events })
  await seedLibrary(database)
  await database.query('update books set pages = 0 where id = 1')
  await Promise.all(
    Array.from({ length: 20 }, () =>
      database.transaction(
        async (em) => {
          const book = await em.findOneOrFail(Book, 1)
          book.pages += 1
        },
        { isolation: IsolationLevel.SERIALIZABLE },
      ),
    ),
  )
  expect(await database.fork().findOne(Book, 1)).toMatchObject({ pages: 20, version: 21 })
  expect(retries.length).toBeGreaterThan(0)
})

test('two transactions that lock in opposite order both end well', async ({ postgres }) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url, { pool: { size: 4 } })
  await seedLibrary(database)
  await database.query(
    "alter database current_database_name set deadlock_timeout = '50ms'".replace(
      'current_database_name',
      `"${new URL(postgres.url).pathname.slice(1)}"`,
    ),
  )
  await using fresh = await openLibrary(postgres.url, { pool: { size: 4 } })
  const bothHaveOne = Promise.withResolvers<void>()
  let holders = 0
  const lockBoth = (first: number, second: number) =>
    fresh.transaction(async (em) => {
      await em.nativeUpdate(Author, { id: first }, { rating: first })
      holders += 1
      if (holders === 2) bothHaveOne.resolve()
      await bothHaveOne.promise
      await em.nativeUpdate(Author, { id: second }, { rating: second })
    })
  await Promise.all([lockBoth(1, 2), lockBoth(2, 1)])
  expect(await fresh.fork().find(Author, { id: { $in: [1, 2] } }, { orderBy: { id: 'asc' } })).toMatchObject([
    { rating: 1 },
    { rating: 2 },
  ])
  // The loser came again; it may have been first at its lock once more, and lost once more.
  expect(holders).toBeGreaterThanOrEqual(3)
})

test('what the work itself throws rolls back and is not repeated', async ({ postgres }) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url)
  await seedLibrary(database)
  let runs = 0
  const failing = database.transaction(async (em) => {
    runs += 1
    await em.nativeUpdate(Author, { id: 1 }, { rating: 77 })
    throw new Error('no')
  })
  await expect(failing).rejects.toThrow('no')
  expect(runs).toBe(1)
  expect(await database.fork().count(Author, { rating: 77 })).toBe(0)
})

test('a client that leaves frees its backend within a quarter of a second, in and out of a transaction', async ({
  postgres,
}) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url, { pool: { size: 2 } })
  await using watcher = await openLibrary(postgres.url, { pool: { size: 1 } })
  const running =
    "select pid from pg_stat_activity where state = 'active' and query like '%pg_sleep(30)%' and pid <> pg_backend_pid()"
  const sleepers = {
    'a query': (signal: AbortSignal) => database.query('select pg_sleep(30)', [], { signal }),
    'the ORM': (signal: AbortSignal) => database.fork({ signal }).execute('select pg_sleep(30)'),
    'a transaction': (signal: AbortSignal) =>
      database.transaction((em) => em.execute('select pg_sleep(30)'), { signal }),
  }
  for (const [name, sleep] of Object.entries(sleepers)) {
    const client = new AbortController()
    const asleep = sleep(client.signal)
    asleep.catch(() => undefined)
    await expect.poll(async () => (await watcher.query(running)).length).toBe(1)
    const leftAt = performance.now()
    client.abort(new DOMException('The client left', 'AbortError'))
    await expect(asleep, name).rejects.toThrow('The client left')
    expect(performance.now() - leftAt, name).toBeLessThan(250)
    expect(await watcher.query(running), name).toEqual([])
  }
  // Whatever arrives late must not hit who comes next.
  for (let n = 0; n < 20; n += 1) expect(await database.query('select $1::int as n', [n])).toEqual([{ n }])
  expect(database.stats().connectionPool).toMatchObject({ invalidConnections: 0, checkedOut: 0 })
})

test('who left before the statement was sent does not have it sent', async ({ postgres }) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url)
  const before = database.stats().queryPerformance.queryCount
  await expect(database.query('select 1', [], { signal: AbortSignal.abort(new Error('gone')) })).rejects.toThrow('gone')
  expect(database.stats().queryPerformance.queryCount).toBe(before)
})

test('a statement ends when the deadline of its request has come, and not later statements with it', async ({
  postgres,
}) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url, { pool: { size: 1, overflow: 0 } })
  for (const sleep of [
    (deadlineAt: number) => database.query('select pg_sleep($1)', [30], { deadlineAt }),
    (deadlineAt: number) => database.fork({ deadlineAt }).execute('select pg_sleep(?)', [30]),
    (deadlineAt: number) => database.transaction((em) => em.execute('select pg_sleep(?)', [30]), { deadlineAt }),
  ]) {
    await expect(sleep(Date.now() + 150)).rejects.toMatchObject({ code: '57014' })
    const [setting] = await database.query<{ timeout: string }>(
      "select current_setting('statement_timeout') as timeout",
    )
    expect(setting).toEqual({ timeout: '30s' })
    expect(await database.query('select $1::int as n', [1], { deadlineAt: Date.now() + 5_000 })).toEqual([{ n: 1 }])
  }
})
