import { Author, Tag } from '#fixtures/data/library.ts'
import { openLibrary, seedLibrary } from '#fixtures/data/library-database.ts'
import { startReplicatedPostgres } from '#fixtures/data/replicated-postgres.ts'
import { expect, test } from '#fixtures/test.ts'

test('reads that may go to a replica go there, see every write of their own, and come back when it is gone', async () => {
  test.setTimeout(60_000)
  await using servers = await startReplicatedPostgres()
  const { primary, standby } = servers
  await using setup = await openLibrary(primary.url)
  await seedLibrary(setup)
  await using database = await openLibrary(primary.url, {
    replicas: { urls: [standby.url], poolSize: 2, pollMs: 50 },
  })
  const isOnReplica = async (replica: boolean): Promise<boolean> => {
    const em = database.fork({ replica })
    const sql = 'select exists (select from pg_stat_wal_receiver) as here, count(*) from authors'
    return (await em.execute<{ here: boolean }[]>(sql))[0]?.here ?? false
  }
  await expect.poll(() => isOnReplica(true)).toBe(true)
  expect(await isOnReplica(false)).toBe(false)

  for (let n = 1; n <= 50; n += 1) {
    await database.fork().nativeUpdate(Author, { id: 1 }, { rating: n })
    expect(await database.fork({ replica: true }).findOne(Author, 1)).toMatchObject({ rating: n })
  }
  await expect.poll(() => isOnReplica(true)).toBe(true)
  expect(database.engine.sources.replicas.lags).toEqual([expect.any(Number)])

  // A replica that stands still answers nobody: who has asked it already is answered by the primary.
  await standby.process.freeze()
  const asked = Array.from({ length: 5 }, () => database.fork({ replica: true }).find(Tag, {}))
  for (const tags of await Promise.all(asked)) expect(tags).toHaveLength(5)
  await database.fork().nativeUpdate(Author, { id: 1 }, { rating: 77 })
  expect(await database.fork({ replica: true }).findOne(Author, 1)).toMatchObject({ rating: 77 })
  await expect.poll(() => database.engine.sources.replicas.lags).toEqual([null])
  expect((await database.health()).reasons).toEqual(['replica 1 does not answer'])
  await standby.process.thaw()
  await expect.poll(() => isOnReplica(true)).toBe(true)

  await standby.process.kill()
  for (let n = 0; n < 10; n += 1) {
    expect(await database.fork({ replica: true }).findOne(Author, 1)).toMatchObject({ rating: 77 })
  }
  expect(await isOnReplica(true)).toBe(false)
})

test('quick reads share a few connections, and lose nothing when these break', async ({ postgres }) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url, {
    applicationName: 'lanes',
    pool: { size: 2 },
    lanes: { connections: 2, maxRecentMs: 1_000 },
  })
  await using killer = await openLibrary(postgres.url, { pool: { size: 1 } })
  await seedLibrary(database)
  database.statements.register('author', 'select * from authors where id = $1')
  const read = async (id: number) => {
    const [row] = await database.query<{ id: number }>('select * from authors where id = $1', [id])
    expect(row?.id).toBe(id)
  }
  for (let n = 0; n < 5; n += 1) await read(1)
  const before = database.stats().connectionPool.acquire.count
  await Promise.all(Array.from({ length: 300 }, (_, n) => read(1 + (n % 30))))
  expect(database.stats().connectionPool.acquire.count - before).toBeLessThan(300)
  // A failure in the middle of the pipeline is its own statement's only.
  const mixed = await Promise.allSettled(
    Array.from({ length: 60 }, (_, n) =>
      n % 7 === 3 ? database.query('select 1 / (id - 5) as q from authors where id = $1', [5]) : read(1 + (n % 30)),
    ),
  )
  for (const [n, { status }] of mixed.entries()) expect(status).toBe(n % 7 === 3 ? 'rejected' : 'fulfilled')
  const kill = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'lanes'"
  for (let round = 0; round < 3; round += 1) {
    const reads = Array.from({ length: 50 }, (_, n) => read(1 + (n % 30)))
    await killer.query(kill)
    await Promise.all(reads)
    await expect.poll(() => database.engine.sources.lanes.open).toBe(2)
  }
})
