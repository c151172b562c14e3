import { Author } from '#fixtures/data/library.ts'
import { openLibrary, seedLibrary, type LibraryDatabase } from '#fixtures/data/library-database.ts'
import { expect, test } from '#fixtures/test.ts'

interface ServerStatement {
  readonly name: string
  readonly statement: string
  readonly generic_plans: number
  readonly custom_plans: number
}

/** With a pool of one connection, what that connection has prepared. */
async function preparedOn(database: LibraryDatabase): Promise<ServerStatement[]> {
  const all = await database.query<ServerStatement>(
    'select name, statement, generic_plans::int, custom_plans::int from pg_prepared_statements',
  )
  return all.filter(({ statement }) => !statement.includes('pg_'))
}

const ONE = { pool: { size: 1, overflow: 0 }, prepared: { fromUse: 2 } } as const

test('the server runs the statements of the ORM by plans that it keeps', async ({ postgres }) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url, ONE)
  await seedLibrary(database)
  const find = async (id: number) => await database.fork().find(Author, { id })
  await find(1)
  expect(await preparedOn(database)).toEqual([])
  await find(2)
  await database.idle()
  for (let id = 3; id <= 12; id += 1) expect(await find(id)).toMatchObject([{ id, name: `author ${id}` }])
  const [statement, ...others] = await preparedOn(database)
  expect(others).toEqual([])
  expect(statement?.statement).toContain('from "authors"')
  expect((statement?.generic_plans ?? 0) + (statement?.custom_plans ?? 0)).toBe(10)
})

test('turned off, nothing is prepared and everything still answers', async ({ postgres }) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url, { ...ONE, prepared: { enabled: false } })
  await seedLibrary(database)
  for (let id = 1; id <= 8; id += 1) expect(await database.fork().findOne(Author, id)).toMatchObject({ id })
  await database.idle()
  expect(await preparedOn(database)).toEqual([])
})

test('a connection keeps the statements that are used and closes the oldest, by number and by bytes', async ({
  postgres,
}) => {
  await postgres.reset()
  for (const limits of [{ maxStatements: 5 }, { maxBytes: 5 * 13_000 }]) {
    await using database = await openLibrary(postgres.url, { ...ONE, prepared: { fromUse: 1, ...limits } })
    for (let n = 0; n < 12; n += 1) {
      expect(await database.query(`select $1::int + ${n} as sum`, [1])).toEqual([{ sum: n + 1 }])
      expect(await database.query('select $1::int as same', [n])).toEqual([{ same: n }])
    }
    const kept = await preparedOn(database)
    expect(kept.length).toBeLessThanOrEqual(6)
    expect(kept.some(({ statement }) => statement.includes('as same'))).toBe(true)
    expect(kept.some(({ statement }) => statement.includes('+ 11'))).toBe(true)
    expect(kept.some(({ statement }) => statement.includes('+ 0 '))).toBe(false)
  }
})

test('a statement that the server lost is prepared again without anybody noticing', async ({ postgres }) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url, ONE)
  await seedLibrary(database)
  const find = async (id: number) => await database.fork().findOne(Author, id)
  await find(1)
  await find(1)
  await database.idle()
  expect(await find(2)).toMatchObject({ id: 2 })
  await database.query('deallocate all')
  expect(await find(3)).toMatchObject({ id: 3 })
  expect(await database.query('select 7 as n')).toEqual([{ n: 7 }])
})

test('a column that is added under load fails no query, outside and inside transactions', async ({
  postgres,
  intensity,
}) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url, { pool: { size: 4 }, prepared: { fromUse: 2 } })
  await seedLibrary(database)
  const load = { isOver: false, reads: 0 }
  const read = async (): Promise<void> => {
    while (!load.isOver) {
      const id = 1 + (load.reads % 30)
      expect(await database.fork().findOne(Author, id)).toMatchObject({ id })
      await database.transaction(async (em) => {
        expect(await em.execute('select * from authors where id = ?', [id])).toMatchObject([{ id }])
      })
      load.reads += 1
    }
  }
  const readers = Array.from({ length: 6 }, () => read())
  const columns = Math.ceil(40 * intensity)
  for (let n = 0; n < columns; n += 1) {
    const before = load.reads
    await expect.poll(() => load.reads, { intervals: [5] }).toBeGreaterThan(before + 10)
    await database.query(`alter table authors add column extra_${n} integer default ${n}`)
  }
  load.isOver = true
  await Promise.all(readers)
  const [row] = await database.query('select * from authors where id = 1')
  expect(Object.keys(row ?? {})).toHaveLength(7 + columns)
})

test('a new connection of the pool comes with the most used statements prepared', async ({ postgres }) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url, ONE)
  await seedLibrary(database)
  for (let id = 1; id <= 5; id += 1) {
    await database.fork().findOne(Author, id)
    await database.idle()
  }
  const [own] = await database.query<{ pid: number }>('select pg_backend_pid() as pid')
  await using other = await openLibrary(postgres.url, ONE)
  await other.query('select pg_terminate_backend($1)', [own?.pid])
  // The pool fills itself up again while nobody waits.
  await expect.poll(() => database.stats().connectionPool.openedConnections, { timeout: 20_000 }).toBe(2)
  await expect.poll(() => database.stats().connectionPool.checkedIn).toBe(1)
  await database.idle()
  const kept = await preparedOn(database)
  expect(kept.map(({ statement }) => statement).join()).toContain('from "authors"')
})

test('registered statements are prepared from their first use, counted, and unknown ones refused', async ({
  postgres,
}) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url, ONE)
  await seedLibrary(database)
  database.statements.register('author_by_email', 'select id from authors where email = $1')
  database.statements.register('author_by_email', 'select id from authors where email = $1')
  expect(() => database.statements.register('author_by_email', 'select 1')).toThrow('another text')
  expect(await database.statements.execute('author_by_email', ['3@example.com'])).toEqual([{ id: 3 }])
  expect((await preparedOn(database)).map(({ statement }) => statement)).toEqual([
    'select id from authors where email = $1',
  ])
  await expect(database.statements.execute('nothing')).rejects.toMatchObject({ code: 'statement_unknown' })
  const { registeredStatements, usageStats, totalUsage } = database.statements.usage()
  expect(registeredStatements).toEqual(['author_by_email'])
  expect(usageStats['author_by_email']?.uses).toBe(1)
  expect(usageStats['author_by_email']?.lastUsedAt).toBeInstanceOf(Date)
  expect(totalUsage).toBe(1)
})
