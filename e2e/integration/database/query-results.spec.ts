import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import type { Database } from '#optimizations/database/database.ts'
import { randomInteger, seededRandom, type Random } from '#optimizations/kernel/random.ts'
import { Author, Book, Review } from '#fixtures/data/library.ts'
import { openLibrary, seedLibrary, type LibraryDatabase } from '#fixtures/data/library-database.ts'
import { WRITE_PATHS, WRITE_PATHS_SQL } from '#fixtures/data/library-writes.ts'
import { expect, test } from '#fixtures/test.ts'

type Read = (id: number) => Promise<number | undefined>

/** Every way to read that may be answered from kept rows: each answers the pages of a book. */
function cachedReads(database: Database): Record<string, Read> {
  const cache = { ttlMs: 600_000 }
  const pagesOf = database.cachedQuery(
    async (em, id: number) => (await em.find(Book, { id })).map(({ pages }) => pages)[0],
    { name: 'pages of a book' },
  )
  const first = (rows: readonly { pages: number }[]): number | undefined => rows[0]?.pages
  return {
    'the ORM': async (id) => (await database.fork({ cache }).findOne(Book, id))?.pages,
    'the ORM with a relation': async (id) =>
      (await database.fork({ cache }).find(Author, { books: { id } }, { populate: ['books'] }))[0]?.books
        .getItems()
        .find((book) => book.id === id)?.pages,
    'raw by the ORM': async (id) =>
      first(await database.fork({ cache }).execute<{ pages: number }[]>('select pages from books where id = ?', [id])),
    raw: async (id) => first(await database.query('select pages from books where id = $1', [id], { cache })),
    'a view': async (id) => first(await database.query('select pages from book_pages where id = $1', [id], { cache })),
    'a cached function': pagesOf,
    'the finder': async (id) => (await database.findByPrimaryKey(database.fork(), Book, id))?.pages,
  }
}

const pick = <T>(random: Random, from: readonly T[]): T => from[randomInteger(random, from.length)] as T

/** What was wrong, in words: with an `expect` for each of so many reads, the test runner would be what is slow. */
type Faults = string[]

/** Writers and readers at once; a read that begins after a commit returned must see it, and never what was undone. */
async function runSchedule(
  database: LibraryDatabase,
  reads: Record<string, Read>,
  { seed, faults }: { seed: number; faults: Faults },
): Promise<number> {
  const random = seededRandom(seed)
  const books = [1, 2]
  const committed = new Map<number, number>()
  for (const id of books) committed.set(id, (await database.fork().findOneOrFail(Book, id)).pages)
  const turns = new Map<number, Promise<unknown>>()
  let checked = 0
  const write = async (): Promise<void> => {
    const id = pick(random, books)
    const path = pick(random, Object.keys(WRITE_PATHS))
    // One writer at a time for each book, so that it is known what is committed. Readers are not held back.
    const turn = (turns.get(id) ?? Promise.resolve()).then(async () => {
      await WRITE_PATHS[path]?.(database, id)
      committed.set(id, (committed.get(id) ?? 0) + 1)
    })
    turns.set(id, turn)
    await turn
  }
  const read = async (): Promise<void> => {
    const id = pick(random, books)
    const name = pick(random, Object.keys(reads))
    const least = committed.get(id) ?? 0
    const pages = (await reads[name]?.(id)) ?? -1
    if (pages < least) faults.push(`seed ${seed}: ${name} of book ${id} is stale: ${pages} after ${least}`)
    if (pages >= 10_000) faults.push(`seed ${seed}: ${name} of book ${id} saw what was rolled back`)
    checked += 1
  }
  const actor = async (): Promise<void> => {
    for (let step = 0; step < 4; step += 1) await (random() < 0.35 ? write() : read())
  }
  await Promise.all(Array.from({ length: 5 }, actor))
  for (const id of books) {
    for (const [name, again] of Object.entries(reads)) {
      const pages = await again(id)
      if (pages !== committed.get(id)) faults.push(`seed ${seed}: ${name} of book ${id} at the end: ${pages}`)
    }
  }
  return checked
}

interface OtherProcess extends AsyncDisposable {
  /** Adds one to the pages of the book there, and resolves when that is committed. */
  write(path: string, id: number): Promise<void>
}

async function startOtherProcess(url: string): Promise<OtherProcess> {
  const other = fork(new URL('../../../fixtures/data/library-writer.ts', import.meta.url), [url])
  await once(other, 'message')
  return {
    async write(path, id) {
      other.send({ path, id })
      const [{ ok, error }] = (await once(other, 'message')) as [{ ok: boolean; error?: string }]
      if (!ok) throw new Error(`${path} of the other process failed: ${error}`)
    },
    async [Symbol.asyncDispose]() {
      other.disconnect()
      await once(other, 'exit')
    },
  }
}

/** Whether a value comes to be read before anybody would call it lost. */
async function arrives(read: () => Promise<number | undefined>, expected: number): Promise<boolean> {
  const lostAt = performance.now() + 10_000
  while ((await read()) !== expected) {
    if (performance.now() > lostAt) return false
    await pause(1)
  }
  return true
}

/** Written to by the other process alone, while this one reads and writes the same tables. */
const FOREIGN_BOOK = 3

test('two processes write by every path: no read that begins after a commit of its own process is answered from before it, and those of the other arrive', async ({
  postgres,
  intensity,
  seed,
}) => {
  test.setTimeout(600_000)
  await postgres.reset()
  await using database = await openLibrary(postgres.url, { pool: { size: 8 } })
  await seedLibrary(database)
  await database.orm.schema.execute(WRITE_PATHS_SQL)
  await database.idle()
  await using other = await startOtherProcess(postgres.url)
  const reads = cachedReads(database)
  const random = seededRandom(seed)
  const faults: Faults = []
  let checked = 0
  let foreign = 0
  const schedules = Math.ceil(1_000 * intensity)
  for (let n = 0; n < schedules; n += 1) {
    // The columns are small integers: start over before they run out.
    if (n % 100 === 0) await database.query('update books set pages = 0')
    if (n % 100 === 0) foreign = 0
    const path = pick(random, Object.keys(WRITE_PATHS))
    for (const read of Object.values(reads)) await read(FOREIGN_BOOK)
    const own = runSchedule(database, reads, { seed: seed + n, faults })
    // Every second schedule is this process's alone: a message of the other would mend what this one missed.
    if (n % 2 === 0) {
      await other.write(path, FOREIGN_BOOK)
      foreign += 1
    }
    checked += await own
    for (const [name, read] of Object.entries(reads)) {
      if (await arrives(() => read(FOREIGN_BOOK), foreign)) continue
      faults.push(`seed ${seed + n}: ${path} of the other process never reached ${name}`)
    }
    expect(faults).toEqual([])
  }
  const { cacheHits } = database.stats().queryPerformance
  test.info().annotations.push({ type: 'schedules', description: `${schedules}, ${checked} reads, ${cacheHits} hits` })
  expect(cacheHits, 'the cache must have had a chance to be wrong').toBeGreaterThan(schedules)
})

test('a write of another process is seen as soon as its message arrives, by whatever path it was written', async ({
  postgres,
}) => {
  test.setTimeout(60_000)
  await postgres.reset()
  await using database = await openLibrary(postgres.url, { pool: { size: 4 } })
  await seedLibrary(database)
  await database.orm.schema.execute(WRITE_PATHS_SQL)
  await database.query('update books set pages = 0')
  await database.idle()
  await using other = await startOtherProcess(postgres.url)
  const reads = cachedReads(database)
  let expected = 0
  for (const path of Object.keys(WRITE_PATHS)) {
    for (const read of Object.values(reads)) await read(1)
    await other.write(path, 1)
    expected += 1
    for (const [name, read] of Object.entries(reads)) {
      await expect.poll(() => read(1), { message: `${path}, read by ${name}`, intervals: [2, 5, 10] }).toBe(expected)
    }
  }
})

test('a thousand identical cold reads cost one query', async ({ postgres }) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url)
  await seedLibrary(database)
  const countOf = database.cachedQuery((em) => em.count(Review), { name: 'count of reviews' })
  const waysToRead: Record<string, () => Promise<unknown>> = {
    rows: () => database.query('select * from authors where id = $1', [7], { cache: true }),
    'the ORM': async () => (await database.fork({ cache: true }).findOne(Author, 8))?.id,
    'a cached function': () => countOf(),
    'the finder': async () => (await database.findByPrimaryKey(database.fork(), Author, 9))?.id,
  }
  const executed = () => {
    const { queryCount, cacheHits } = database.stats().queryPerformance
    return queryCount - cacheHits
  }
  for (const [name, read] of Object.entries(waysToRead)) {
    const before = executed()
    const answers = await Promise.all(Array.from({ length: 1_000 }, read))
    expect(executed() - before, name).toBe(1)
    const told = new Set(answers.map((answer) => JSON.stringify(answer)))
    expect(told.size, name).toBe(1)
    expect([...told][0], name).toMatch(/\d/)
  }
})

test('what is deleted by a cascade is gone from every kept result', async ({ postgres }) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url)
  await seedLibrary(database)
  const count = async () =>
    await database.query<{ n: number }>('select count(*)::int as n from reviews', [], { cache: { ttlMs: 60_000 } })
  const [before] = await count()
  expect(await count()).toEqual([before])
  await database.fork().nativeDelete(Author, { id: 1 })
  const [after] = await count()
  const left = await database.query('select count(*)::int as n from reviews')
  expect([after]).toEqual(left)
  expect(after?.n).toBeLessThan(before?.n ?? 0)
})

test('a table with a trigger invalidates everything, since a trigger may write anywhere', async ({ postgres }) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url)
  await seedLibrary(database)
  await database.orm.schema.execute(`
    create function count_tags() returns trigger language plpgsql as
      'begin update authors set rating = coalesce(rating, 0) + 1 where id = 1; return null; end';
    create trigger counted after insert on tags for each row execute function count_tags();
    update authors set rating = 0;
  `)
  await database.idle()
  const rating = async () =>
    (
      await database.query<{ rating: number }>('select rating from authors where id = 1', [], {
        cache: { ttlMs: 60_000 },
      })
    )[0]?.rating
  expect(await rating()).toBe(0)
  await database.query("insert into tags (id, name) values (gen_random_uuid(), 'x')")
  expect(await rating()).toBe(1)
})

test('literals, types and contexts are told apart, and rows are the caller’s own', async ({ postgres }) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url)
  await seedLibrary(database)
  const cache = { ttlMs: 60_000 }
  await database.query("update authors set name = 'Bob' where id = 1; update authors set name = 'bob' where id = 2")
  await database.idle()
  const named = async (name: string) =>
    await database.query('select id from authors where name = $1', [name], { cache })
  expect([await named('Bob'), await named('bob'), await named('Bob')]).toEqual([[{ id: 1 }], [{ id: 2 }], [{ id: 1 }]])
  const literal = async (text: string) =>
    await database.query(`select id from authors where name = '${text}'`, [], { cache })
  expect([await literal('Bob'), await literal('bob')]).toEqual([[{ id: 1 }], [{ id: 2 }]])
  const [book] = await database.query<{ extra: { n: number } }>('select extra, cover from books where id = 1', [], {
    cache,
  })
  if (book !== undefined) book.extra.n = 999
  expect(await database.query('select extra, cover from books where id = 1', [], { cache })).toEqual([
    { extra: { n: 1, odd: true }, cover: Buffer.from([0, 0, 0, 1]) },
  ])
  const hits = () => database.stats().queryPerformance.cacheHits
  const before = hits()
  await database.query('select 1 as one from authors limit 1', [], { cache, context: 'tenant 1' })
  await database.query('select 1 as one from authors limit 1', [], { cache, context: 'tenant 2' })
  expect(hits()).toBe(before)
  await database.query('select 1 as one from authors limit 1', [], { cache, context: 'tenant 2' })
  expect(hits()).toBe(before + 1)
})

test('secrets, locks, writes, volatile functions and the clock are never answered from kept rows', async ({
  postgres,
}) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url)
  await seedLibrary(database)
  const uncached = [
    'select secret from authors where id = 1',
    'select * from authors where id = 1',
    'select id from authors where id = 1 for update',
    'update authors set rating = 1 where id = 1 returning id',
    'select id, random() from authors limit 1',
    'select id from authors where born < now() limit 1',
    'select 1 as one',
    "select current_setting('application_name') from authors",
  ]
  for (const sql of uncached) {
    await database.query(sql, [], { cache: true })
    const before = database.stats().queryPerformance.cacheHits
    await database.query(sql, [], { cache: true })
    expect(database.stats().queryPerformance.cacheHits, sql).toBe(before)
  }
  // An empty answer is an answer.
  await database.query('select id from authors where id = -1', [], { cache: true })
  const before = database.stats().queryPerformance.cacheHits
  expect(await database.query('select id from authors where id = -1', [], { cache: true })).toEqual([])
  expect(database.stats().queryPerformance.cacheHits).toBe(before + 1)
})

test('a cached function refuses entities and freezes what it shares', async ({ postgres }) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url)
  await seedLibrary(database)
  const entity = database.cachedQuery((em, id: number) => em.findOne(Author, id), { name: 'author' })
  await expect(entity(1)).rejects.toMatchObject({ code: 'result_uncacheable' })
  const list = database.cachedQuery(
    async (em, most: number) =>
      (await em.find(Author, { id: { $lte: most } }, { orderBy: { id: 'asc' } })).map(({ id, name }) => ({ id, name })),
    { name: 'list', key: (most) => `${most}`, ttlMs: 1_000 },
  )
  const first = await list(2)
  expect(await list(2)).toBe(first)
  expect(() => Object.assign(first[0] ?? {}, { name: 'x' })).toThrow('read only')
  await database.fork().nativeUpdate(Author, { id: 1 }, { name: 'changed' })
  expect((await list(2))[0]?.name).toBe('changed')
})

test('while nobody tells of the writes of others, nothing is kept', async ({ postgres }) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url, { applicationName: 'deaf' })
  await using other = await openLibrary(postgres.url)
  await seedLibrary(database)
  const name = async () =>
    (
      await database.query<{ name: string }>('select name from authors where id = 1', [], { cache: { ttlMs: 60_000 } })
    )[0]?.name
  await name()
  await other.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'deaf listener'")
  await expect.poll(async () => (await database.health()).reasons.join()).toContain('listener')
  for (const next of ['a', 'b', 'c']) {
    await other.query('update authors set name = $1 where id = 1', [next])
    if ((await database.health()).status === 'degraded') expect(await name()).toBe(next)
  }
  await expect.poll(async () => (await database.health()).status).toBe('healthy')
  await database.idle()
  await other.query("update authors set name = 'heard' where id = 1")
  await expect.poll(name).toBe('heard')
})
