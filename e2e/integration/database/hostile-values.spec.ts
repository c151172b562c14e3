import { Author, Book, Tag } from '#fixtures/data/library.ts'
import { openLibrary, seedLibrary } from '#fixtures/data/library-database.ts'
import { expect, test } from '#fixtures/test.ts'

const INJECTIONS = [
  "'; drop table authors; --",
  "\\'; drop table authors; --",
  "' or '1'='1",
  '$1',
  '?',
  "E'\\''",
  '"; delete from authors; --',
  '/* */ -- \n',
  "\\\\' or 1=1 --",
]

for (const enabled of [true, false]) {
  const form = enabled ? 'as a parameter' : 'as a literal'

  test(`no text escapes its place ${form}`, async ({ postgres }) => {
    await postgres.reset()
    await using database = await openLibrary(postgres.url, { prepared: { fromUse: 2, enabled } })
    await seedLibrary(database)
    for (let round = 0; round < 4; round += 1) {
      for (const text of INJECTIONS) {
        expect(await database.fork().find(Author, { name: text })).toEqual([])
        expect(await database.fork().execute('select ?::text as echo', [text])).toEqual([{ echo: text }])
      }
      await database.idle()
    }
    expect(await database.fork().count(Author)).toBe(30)
  })

  test(`what no column can hold is an error with a code ${form}, and the connection goes on`, async ({ postgres }) => {
    await postgres.reset()
    const options = { prepared: { fromUse: 2, enabled }, pool: { size: 1, overflow: 0 } }
    await using database = await openLibrary(postgres.url, options)
    await seedLibrary(database)
    const pid = async () => (await database.query<{ pid: number }>('select pg_backend_pid() as pid'))[0]?.pid
    const before = await pid()
    const hostile = {
      'a NUL byte': ['parameter_invalid', () => database.fork().find(Author, { name: 'a\0b' })],
      'an invalid UUID': ['22P02', () => database.fork().find(Tag, { id: 'no-uuid' })],
      'an absurd date': ['22009', () => database.fork().find(Book, { publishedAt: new Date(8.64e15) })],
      'a text for a number': ['22P02', () => database.fork().find(Author, { id: 'x' as never })],
      'a number beyond the type': ['22003', () => database.fork().execute('select ?::smallint', [70_000])],
    } as const
    for (let round = 0; round < 4; round += 1) {
      for (const [name, [code, query]] of Object.entries(hostile)) {
        const failure = await query().then(
          () => 'answered',
          (error: unknown) => (error instanceof Error ? Reflect.get(error, 'code') : error),
        )
        expect.soft(failure, `${name}, round ${round}`).toBe(code)
      }
      await database.idle()
    }
    expect(await database.fork().count(Author)).toBe(30)
    expect(await pid()).toBe(before)
  })
}

test('parameters of a megabyte and more of them than the protocol counts still arrive', async ({ postgres }) => {
  await postgres.reset()
  await using database = await openLibrary(postgres.url, { prepared: { fromUse: 2 }, pool: { size: 1, overflow: 0 } })
  await seedLibrary(database)
  const long = 'x'.repeat(1_048_576)
  const many = Array.from({ length: 70_000 }, (_, n) => n)
  for (let round = 0; round < 3; round += 1) {
    expect(await database.fork().execute('select length(?::text) as n', [long])).toEqual([{ n: long.length }])
    expect(await database.fork().count(Author, { id: { $in: many } })).toBe(30)
    await database.idle()
  }
  expect(await database.query('select $1::int[] as list, $2::jsonb as data', [[1, 2], { a: ['"', null] }])).toEqual([
    { list: [1, 2], data: { a: ['"', null] } },
  ])
})
