import type { RepeatedQuery } from '#optimizations/database/statistics/repeated-queries.ts'
import type { SlowQuery } from '#optimizations/database/statistics/slow-queries.ts'
import { adviseIndexes } from '#optimizations/database/statistics/index-advice.ts'
import { Author, Book } from '#fixtures/data/library.ts'
import { openLibrary, seedLibrary } from '#fixtures/data/library-database.ts'
import { expect, test } from '#fixtures/test.ts'

test('a slow shape is reported once, with its plan and without its literals', async ({ postgres }) => {
  await postgres.reset()
  const slow: SlowQuery[] = []
  const events = { slowQuery: (one: SlowQuery) => void slow.push(one) }
  await using database = await openLibrary(postgres.url, { statistics: { slowAfterMs: 40 } }, { events })
  await seedLibrary(database)
  slow.length = 0
  for (const secret of ['first secret', 'second secret']) {
    await database
      .fork({ requestId: 'request 9' })
      .execute('select id from authors where name <> ? and pg_sleep(0.002) is not null', [secret])
  }
  await database.idle()
  expect(slow).toHaveLength(1)
  expect(slow[0]).toMatchObject({ requestId: 'request 9' })
  expect(slow[0]?.durationMs).toBeGreaterThan(40)
  expect(slow[0]?.fingerprint).toContain('from authors where name < > ?')
  expect(slow[0]?.fingerprint).not.toContain('secret')
  expect(JSON.parse(slow[0]?.plan ?? '{}')).toMatchObject({ 'Node Type': 'Seq Scan', 'Relation Name': 'authors' })
  expect(slow[0]?.plan).not.toMatch(/Query Text|secret/)
  expect(database.stats().queryPerformance.slowQueries).toBeGreaterThanOrEqual(2)
})

test('where auto_explain may not be loaded the plan is asked for, and a write is not run for it', async ({
  postgres,
}) => {
  await postgres.reset()
  await using admin = await openLibrary(postgres.url)
  await seedLibrary(admin)
  await admin.query("create role modest login password 'modest'")
  try {
    await admin.query('grant all on all tables in schema public to modest')
    const url = new URL(postgres.url)
    url.username = 'modest'
    url.password = 'modest'
    const slow: SlowQuery[] = []
    const events = { slowQuery: (one: SlowQuery) => void slow.push(one) }
    await using database = await openLibrary(url.href, { statistics: { slowAfterMs: 40 } }, { events })
    await database.query(
      'update books set pages = pages + 1 where id = $1 and (select pg_sleep(0.06)) is not null',
      [1],
    )
    await database.idle()
    const told = slow.find(({ fingerprint }) => fingerprint.startsWith('update books'))
    expect(told?.plan).toContain('ModifyTable')
    expect(await database.fork().findOne(Book, 1)).toMatchObject({ pages: 4 })
  } finally {
    await admin.query('drop owned by modest')
    await admin.query('drop role modest')
  }
})

test('one request that asks the same again and again is reported once, with the place that asks', async ({
  postgres,
}) => {
  await postgres.reset()
  const found: RepeatedQuery[] = []
  const events = { repeatedQuery: (one: RepeatedQuery) => void found.push(one) }
  await using database = await openLibrary(postgres.url, {}, { events })
  await seedLibrary(database)
  async function namesOneByOne(requestId: string): Promise<string[]> {
    const names: string[] = []
    const em = database.fork({ requestId })
    for (let id = 1; id <= 6; id += 1) names.push((await em.findOneOrFail(Author, id)).name)
    return names
  }
  await namesOneByOne('request 1')
  await namesOneByOne('request 2')
  for (let id = 1; id <= 10; id += 1) await database.fork({ requestId: `own ${id}` }).findOne(Book, id)
  expect(found).toHaveLength(1)
  expect(found[0]).toMatchObject({ requestId: 'request 1' })
  expect(found[0]?.fingerprint).toContain('"authors"')
  expect(found[0]?.callSite).toContain('namesOneByOne')
})

test('a hundred thousand distinct texts leave a bounded memory behind', async ({ postgres, intensity }) => {
  test.setTimeout(600_000)
  await postgres.reset()
  await using database = await openLibrary(postgres.url, { pool: { size: 4 }, statistics: { maxFingerprints: 200 } })
  await seedLibrary(database)
  const texts = Math.ceil(100_000 * intensity)
  for (let n = 0; n < texts; n += 1) {
    const { statement } = database.engine.statements.ofText(`select ${n} as column_${n} from books`, [], false)
    const { analysis } = database.engine.statements.ofText(statement.text, [], false)
    expect(analysis.fingerprint).toBe(`select ? as column_${n} from books`)
    if (n % 100 === 0) await database.query(statement.text)
  }
  expect(database.engine.statistics.size).toBeLessThanOrEqual(200)
  expect(database.engine.statements.size).toBeLessThanOrEqual(10_000)
})

test('counts, rows, errors and times are kept by shape', async ({ postgres }) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url)
  await seedLibrary(database)
  for (const id of [1, 2, 3]) await database.query('select id from books where author_id = $1', [id])
  for (const id of [1, 1]) await database.query('select name from authors where id = $1', [id], { cache: true })
  await expect(database.query('select 1 / $1::int as broken', [0])).rejects.toMatchObject({ code: '22012' })
  const { queryPerformance } = database.stats()
  const topQueries = database.engine.statistics.top(1_000)
  const books = topQueries.find(({ fingerprint }) => fingerprint === 'select id from books where author_id = ?')
  expect(books).toMatchObject({ count: 3, rows: 9, errors: 0, cacheHits: 0 })
  expect(books?.p50Ms).toBeGreaterThan(0)
  expect(books?.p99Ms).toBeGreaterThanOrEqual(books?.p50Ms ?? 0)
  const broken = topQueries.find(({ fingerprint }) => fingerprint.includes('as broken'))
  expect(broken).toMatchObject({ count: 1, errors: 1 })
  expect(queryPerformance).toMatchObject({ cacheHits: 1, cacheMisses: 1, cacheHitRate: 0.5 })
  const text = await database.metrics.metrics()
  expect(text).toContain('hotpath_database_pool_idle')
  expect(text).toMatch(/hotpath_database_result_hits 1\b/)
  expect(text).toContain('hotpath_database_pool_acquire_ms{quantile="0.99"}')
})

test('an index is advised where a real plan would use it, proved by its cost, and never left behind', async ({
  postgres,
}) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url)
  await seedLibrary(database)
  await database.query(
    `insert into reviews (id, stars, text, book_id)
     select n, n % 6, 'review ' || n, 1 + n % 90 from generate_series(1000, 21000) as n`,
  )
  await database.query('drop index if exists reviews_book_id_index')
  await database.query('analyze')
  const statements = [
    'select * from reviews where text = $1',
    'select * from reviews where text = $1 and stars > $2',
    'select * from books b join reviews r on r.book_id = b.id where b.title = $1',
    'select * from reviews where id = $1',
    'select * from reviews where text = $1 or stars = $2',
    'select * from authors where name = $1',
    'this is no statement',
  ]
  const advice = await adviseIndexes(database, { statements })
  expect(advice.map(({ table, columns }) => `${table}(${columns.join()})`).sort()).toEqual([
    'reviews(book_id)',
    'reviews(text)',
    'reviews(text,stars)',
  ])
  for (const { costBefore, costAfter } of advice) expect(costAfter).toBeLessThan(costBefore / 2)
  const indexes = "select count(*)::int as n from pg_indexes where tablename = 'reviews'"
  expect(await database.query(indexes)).toEqual([{ n: 1 }])
  await database.query(advice.find(({ columns }) => columns.join() === 'text')?.sql ?? '')
  expect((await adviseIndexes(database, { statements: [statements[0] ?? ''] })).length).toBe(0)
})

test('without statements the costliest of pg_stat_statements are looked at', async ({ postgres }) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url)
  await seedLibrary(database)
  expect(await adviseIndexes(database)).toEqual([])
  await database.query('create extension pg_stat_statements')
  await database.query(
    "insert into reviews (id, stars, text, book_id) select n, 1, 't' || n, 1 from generate_series(1000, 9000) n",
  )
  await database.query('analyze')
  await database.query('select pg_stat_statements_reset()')
  for (let n = 0; n < 5; n += 1) await database.query('select id from reviews where text = $1', [`t${n}`])
  expect(await adviseIndexes(database)).toMatchObject([{ table: 'reviews', columns: ['text'] }])
})
