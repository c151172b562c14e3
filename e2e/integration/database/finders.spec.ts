import { defineEntity, p, raw } from '@mikro-orm/core'
import { startDatabase } from '#optimizations/database/start-database.ts'
import { Author, Book, Tag, libraryEntities } from '#fixtures/data/library.ts'
import { openLibrary, seedLibrary, type LibraryDatabase } from '#fixtures/data/library-database.ts'
import { expect, test } from '#fixtures/test.ts'

const tagId = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`
const queries = (database: LibraryDatabase): number => database.stats().queryPerformance.queryCount

test('keys that are asked for together cost one query, and each caller gets the entity of its own', async ({
  postgres,
}) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url)
  await seedLibrary(database)
  const before = queries(database)
  const ids = [...Array.from({ length: 30 }, (_, n) => n + 1), 1, 2, 3, 999]
  const ems = ids.map(() => database.fork())
  const authors = await Promise.all(
    ids.map((id, index) => database.findByPrimaryKey(ems[index] ?? database.fork(), Author, id)),
  )
  expect(queries(database) - before).toBe(1)
  expect(authors.map((author) => author?.id)).toEqual([...ids.slice(0, -1), undefined])
  expect(authors[0]).not.toBe(authors[30])
  for (const [index, author] of authors.entries()) {
    if (author !== null) expect(ems[index]?.getUnitOfWork().getById(Author, author.id)).toBe(author)
  }
})

test('what is found is what the ORM finds, to the last property, and can be changed and saved', async ({
  postgres,
}) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url)
  await seedLibrary(database)
  for (const [entity, key] of [
    [Author, 7],
    [Book, 11],
    [Tag, tagId(2)],
  ] as const) {
    const found = await database.findByPrimaryKey(database.fork(), entity as typeof Book, key as number)
    const reference = await database.fork().findOne(entity as typeof Book, key as number)
    expect(JSON.stringify(found)).toBe(JSON.stringify(reference))
    expect(Object.keys(found ?? {})).toEqual(expect.arrayContaining(Object.keys(reference ?? {})))
  }
  const em = database.fork()
  const book = await database.findByPrimaryKey(em, Book, 11)
  expect(em.getUnitOfWork().getChangeSets()).toEqual([])
  await em.flush()
  expect(await database.fork().findOne(Book, 11)).toMatchObject({ version: 1 })
  if (book !== null) book.title = 'changed'
  await em.flush()
  expect(await database.fork().findOne(Book, 11)).toMatchObject({ title: 'changed', version: 2 })
  expect(await database.findByPrimaryKey(em, Book, 11)).toBe(book)
})

test('a key that the type refuses fails its own caller only', async ({ postgres }) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url)
  await seedLibrary(database)
  const find = (key: unknown) => database.findByPrimaryKey(database.fork(), Author, key as number)
  const [good, fraction, beyond, text] = await Promise.allSettled([find(3), find(1.5), find(2 ** 40), find('x')])
  expect(good).toMatchObject({ status: 'fulfilled', value: { id: 3 } })
  expect(fraction).toMatchObject({ status: 'fulfilled', value: null })
  expect(beyond).toMatchObject({ status: 'fulfilled', value: null })
  expect(text).toMatchObject({ status: 'rejected', reason: { code: '22P02' } })
  const upper = await database.findByPrimaryKey(database.fork(), Tag, tagId(1).toUpperCase())
  expect(upper?.name).toBe('tag 1')
  await expect(database.findByPrimaryKey(database.fork(), Tag, 'no uuid')).rejects.toMatchObject({ code: '22P02' })
})

test('inside a transaction the transaction is asked, not the batch', async ({ postgres }) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url)
  await seedLibrary(database)
  await database.transaction(async (em) => {
    await em.nativeUpdate(Author, { id: 1 }, { name: 'only here' })
    expect(await database.findByPrimaryKey(em, Author, 1)).toMatchObject({ name: 'only here' })
    expect(await database.findByPrimaryKey(database.fork(), Author, 1)).toMatchObject({ name: 'author 1' })
  })
})

test('a failure of the batch reaches everybody in it', async ({ postgres }) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url)
  const finds = [1, 2].map((id) => database.findByPrimaryKey(database.fork(), Author, id))
  for (const result of await Promise.allSettled(finds)) {
    expect(result).toMatchObject({ status: 'rejected', reason: { code: '42P01' } })
  }
})

const Animal = defineEntity({
  name: 'Animal',
  tableName: 'animals',
  discriminatorColumn: 'species',
  discriminatorValue: 'animal',
  properties: { id: p.integer().primary(), name: p.string(), species: p.string() },
})
const Numbered = defineEntity({
  name: 'Numbered',
  tableName: 'numbered',
  properties: {
    id: p.bigint().primary(),
    label: p.string(),
    double: p.integer().formula((cols) => `${cols['label']}::int * 2`),
  },
})
const Hidden = defineEntity({
  name: 'Hidden',
  tableName: 'hidden',
  filters: { visible: { name: 'visible', cond: { gone: false }, default: true } },
  properties: { id: p.string().primary(), gone: p.boolean() },
})
const Named = defineEntity({
  name: 'Named',
  tableName: 'named',
  properties: { key: p.string().primary(), size: p.bigint() },
})
const Pair = defineEntity({
  name: 'Pair',
  tableName: 'pairs',
  properties: { left: p.integer().primary(), right: p.integer().primary(), note: p.string() },
})

test('where the plain row is not all there is to it, the ORM itself finds', async ({ postgres }) => {
  await postgres.reset()
  const entities = [Animal, Numbered, Hidden, Named, Pair]
  await using database = await startDatabase({ url: postgres.url, entities, pool: { size: 2 } })
  await database.orm.schema.create()
  await database.query("insert into animals (id, name, species) values (1, 'cat', 'animal')")
  await database.query("insert into numbered (id, label) values (9007199254740993, '21')")
  await database.query("insert into hidden (id, gone) values ('a', false), ('b', true)")
  await database.query("insert into named (key, size) values ('x', 9007199254740993)")
  await database.query("insert into pairs values (1, 2, 'both')")
  const em = () => database.fork()
  expect(await database.findByPrimaryKey(em(), Animal, 1)).toMatchObject({ name: 'cat' })
  expect(await database.findByPrimaryKey(em(), Numbered, 9_007_199_254_740_993n)).toMatchObject({ double: 42 })
  expect(await database.findByPrimaryKey(em(), Hidden, 'a')).toMatchObject({ id: 'a' })
  expect(await database.findByPrimaryKey(em(), Hidden, 'b')).toBeNull()
  expect(await database.findByPrimaryKey(em(), Named, 'x')).toMatchObject({ size: 9_007_199_254_740_993n })
  expect(await database.findByPrimaryKey(em(), Pair, [1, 2])).toMatchObject({ note: 'both' })
})

test('the stock database answers the same surface without any of the optimizations', async ({ postgres }) => {
  await postgres.reset()
  await using optimised = await openLibrary(postgres.url)
  await seedLibrary(optimised)
  await using stock = await startDatabase({
    url: postgres.url,
    entities: libraryEntities,
    optimize: false,
    pool: { size: 2 },
  })
  expect(await stock.findByPrimaryKey(stock.fork(), Author, 5)).toMatchObject({ id: 5 })
  const names = stock.cachedQuery(async (em, id: number) => (await em.find(Author, { id }))[0]?.name, { name: 'name' })
  expect([await names(1), await names(1)]).toEqual(['author 1', 'author 1'])
  stock.statements.register('one', 'select $1::int as one')
  expect(await stock.statements.execute('one', [1])).toEqual([{ one: 1 }])
  const signal = AbortSignal.timeout(60_000)
  expect(await stock.transaction((em) => em.nativeUpdate(Author, { id: 1 }, { rating: 2 }), { signal })).toBe(1)
  const health = await stock.health()
  expect(health).toMatchObject({ status: 'healthy', reasons: [], optimizationEnabled: false })
  expect(stock.stats().queryPerformance.queryCount).toBeGreaterThan(0)
  expect(stock.stats().queryPerformance.avgQueryTimeMs).toBeGreaterThan(0)
  expect(stock.stats().preparedStatements.totalUsage).toBe(1)
  expect(await stock.metrics.metrics()).toBe('\n')
  await stock.stop()
  expect((await stock.health()).status).toBe('unhealthy')
})

test('a database that cannot be used says which, and tells no password', async ({ postgres }) => {
  await postgres.reset()
  const { port } = new URL(postgres.url)
  for (const optimize of [true, false]) {
    for (const url of [
      `postgresql://nobody:s3cret@127.0.0.1:${port}/postgres`,
      'postgresql://postgres:s3cret@127.0.0.1:9/postgres',
    ]) {
      const started = startDatabase({ url, entities: libraryEntities, optimize, pool: { size: 1 } })
      await expect(started).rejects.toMatchObject({ code: 'database_unreachable', retryable: true })
      const message = await started.catch(String)
      expect(message).toContain(`127.0.0.1:${new URL(url).port}`)
      expect(message).not.toContain('s3cret')
    }
  }
})

test('health tells what is wrong while the database still answers', async ({ postgres }) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url, { pool: { size: 1, overflow: 1 } })
  const healthy = await database.health()
  expect(healthy).toMatchObject({ status: 'healthy', reasons: [], optimizationEnabled: true })
  expect(healthy.roundTripMs).toBeGreaterThan(0)
  const held = Promise.withResolvers<void>()
  const holding = database.transaction(async () => await held.promise)
  const waiting = Array.from({ length: 3 }, () => database.query('select pg_sleep(0.2)'))
  const health = await database.health()
  held.resolve()
  await Promise.all([holding, ...waiting])
  expect(health.status).toBe('degraded')
})

test('named parameters, raw fragments and native builders reach the server as they do by stock MikroORM', async ({
  postgres,
}) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url, { prepared: { fromUse: 1 } })
  await seedLibrary(database)
  const connection = database.orm.em.getConnection()
  const expected = [{ id: 3 }]
  for (let round = 0; round < 3; round += 1) {
    expect(await connection.execute('select id from authors where id = :id', { id: 3 })).toEqual(expected)
    expect(await connection.execute(raw('select id from authors where id = ?', [3]))).toEqual(expected)
    const native = database.fork().createQueryBuilder(Author, 'a').select('a.id').where({ id: 3 }).getNativeQuery()
    expect(await connection.execute(native)).toEqual(expected)
    expect(await connection.execute('select id from authors where id = ?', [3], 'get')).toEqual({ id: 3 })
    await database.idle()
  }
  const signal = AbortSignal.timeout(60_000)
  expect(await database.orm.em.fork({ signal }).findOne(Author, 3)).toMatchObject({ id: 3 })
})

test('a raw transaction of the outbox that fails leaves nothing behind, optimised or not', async ({ postgres }) => {
  await postgres.reset()
  for (const optimize of [true, false]) {
    await using database = await startDatabase({
      url: postgres.url,
      entities: libraryEntities,
      optimize,
      pool: { size: 1 },
    })
    // Without its table every claim fails in the middle of its transaction.
    await expect(database.outbox.claim(1, 1_000)).rejects.toMatchObject({ code: '42P01' })
    expect(await database.query('select 1 as one')).toEqual([{ one: 1 }])
  }
})

test('a transaction that has been open for too long is told by health', async ({ postgres }) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url, { health: { longTransactionMs: 50 } })
  const held = Promise.withResolvers<void>()
  const holding = database.transaction(async (em) => {
    await em.execute('select 1')
    await held.promise
  })
  await expect.poll(async () => (await database.health()).reasons.join()).toContain('a transaction has been open')
  held.resolve()
  await holding
})
