import { Author } from '#fixtures/data/library.ts'
import { openLibrary, seedLibrary } from '#fixtures/data/library-database.ts'
import { startFaultProxy } from '#fixtures/services/proxy/fault-proxy.ts'
import { expect, test } from '#fixtures/test.ts'

const KILL =
  "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = $1 and state = 'idle'"

test('killing every idle backend, again and again, fails no read and no transaction', async ({
  postgres,
  intensity,
}) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url, { pool: { size: 5 }, applicationName: 'victim' })
  await using killer = await openLibrary(postgres.url, { pool: { size: 1 }, applicationName: 'killer' })
  await seedLibrary(database)
  const rounds = Math.ceil(50 * intensity)
  let killed = 0
  for (let round = 1; round <= rounds; round += 1) {
    killed += (await killer.query(KILL, ['victim'])).length
    // At once: the pool may not have heard of it yet.
    const reads = Array.from({ length: 8 }, (_, n) => database.fork().findOne(Author, 1 + n))
    const written = database.transaction((em) => em.nativeUpdate(Author, { id: 1 }, { rating: round }))
    for (const [n, author] of (await Promise.all(reads)).entries()) expect(author?.id).toBe(1 + n)
    expect(await written).toBe(1)
  }
  expect(killed).toBeGreaterThan(rounds)
  expect(await database.fork().findOne(Author, 1)).toMatchObject({ rating: rounds })
  // A backend that is on its way out may be counted by two rounds of kills, so there is no equality here.
  expect(database.stats().connectionPool.invalidConnections).toBeGreaterThan(rounds)
})

test('a write whose connection is lost under way is not sent again', async ({ postgres }) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url, { pool: { size: 2 }, applicationName: 'writer' })
  await using killer = await openLibrary(postgres.url, { pool: { size: 1 } })
  await database.query('create table tries (n int generated always as identity, note text)')
  await database.query('create sequence attempts')
  const lost = database.query(
    "insert into tries (note) select 'x' from (select nextval('attempts'), pg_sleep(20)) as slow",
  )
  lost.catch(() => undefined)
  const kill =
    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query like 'insert into tries%' and wait_event = 'PgSleep'"
  await expect.poll(async () => (await killer.query(kill)).length).toBe(1)
  await expect(lost).rejects.toMatchObject({ code: '57P01' })
  expect(await database.query("select nextval('attempts')::int as n")).toEqual([{ n: 2 }])
  expect(await database.query('select count(*)::int as n from tries')).toEqual([{ n: 0 }])
})

test('a commit whose answer is lost is in doubt and is not repeated', async ({ postgres }) => {
  await postgres.reset()
  await using proxy = await startFaultProxy(postgres.url)
  await using database = await openLibrary(proxy.through(postgres.url), {
    pool: { size: 2 },
    results: { isShared: false },
    drainMs: 500,
  })
  await seedLibrary(database)
  let runs = 0
  const doubtful = database.transaction(async (em) => {
    runs += 1
    await em.nativeUpdate(Author, { id: 1 }, { rating: 42 })
    // From here on nothing comes back: not even the answer to the commit.
    await proxy.inject({ kind: 'drop', direction: 'toClient' })
    setTimeout(() => proxy.reset(), 300)
  })
  await expect(doubtful).rejects.toMatchObject({ code: 'commit_in_doubt' })
  expect(runs).toBe(1)
})

test('while the server is away callers fail fast by the breaker, and all is well soon after its return', async ({
  postgres,
}) => {
  await postgres.reset()
  await using proxy = await startFaultProxy(postgres.url)
  await using database = await openLibrary(proxy.through(postgres.url), {
    pool: { size: 2, connectTimeoutMs: 500 },
    breaker: { failures: 3, coolDownMs: 200 },
  })
  expect((await database.health()).status).toBe('healthy')
  {
    await using _ = await proxy.inject({ kind: 'refuse' })
    proxy.reset()
    const ask = async (): Promise<unknown> =>
      await database.query('select 1').then(
        () => 'answered',
        (error: unknown) => (error instanceof Error ? Reflect.get(error, 'code') : error),
      )
    await expect.poll(ask, { intervals: [5] }).toBe('database_breaker_open')
    const health = await database.health()
    expect(health.status).toBe('unhealthy')
    expect(health.reasons).not.toEqual([])
    expect(health.roundTripMs).toBeUndefined()
  }
  await expect.poll(async () => (await database.health()).status).toBe('healthy')
  expect(await database.query('select 1 as one')).toEqual([{ one: 1 }])
})

test('a server that accepts and says nothing is given up within the connect timeout', async ({ postgres }) => {
  await postgres.reset()
  await using proxy = await startFaultProxy(postgres.url)
  await using database = await openLibrary(proxy.through(postgres.url), { pool: { size: 1, connectTimeoutMs: 1_500 } })
  await proxy.inject({ kind: 'drop' })
  proxy.reset()
  await expect(database.query('select 1')).rejects.toMatchObject({ code: 'pool_connect_timeout' })
})
