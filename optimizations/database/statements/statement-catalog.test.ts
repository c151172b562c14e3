import { expect, test } from '@playwright/test'
import { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import type { FieldDescription } from '../pool/wire-connection.ts'
import { StatementCatalog, type DescribeStatement } from './statement-catalog.ts'

const field = (name: string, dataTypeID: number): FieldDescription => ({ name, dataTypeID, tableID: 0, columnID: 0 })

function catalogOf(describe: DescribeStatement) {
  const background = new BackgroundTasks(() => undefined)
  const detach = (work: () => Promise<void>): void => background.run('test', work)
  const formatDate = (date: Date): string => date.toISOString()
  const limits = { maxTexts: 100, maxCharacters: 100_000, prepareFromUse: 2 }
  const catalog = new StatementCatalog({ describe, detach, formatDate }, limits)
  const use = async (sql: string, params: readonly unknown[]) => {
    const { statement } = catalog.ofTemplate(sql, params, () => `literal of ${sql}`)
    await background.idle()
    return statement
  }
  return { catalog, use }
}

test('a text goes bound once the server says that both forms mean the same', async () => {
  const asked: string[] = []
  const { catalog, use } = catalogOf(async (text) => {
    asked.push(text)
    return [field('id', 23)]
  })
  const sql = 'select id from a where id = ?'
  expect(await use(sql, [1])).toMatchObject({ name: null, parameters: null, text: `literal of ${sql}` })
  expect(await use(sql, [1])).toMatchObject({ parameters: null })
  expect(asked).toEqual([`literal of ${sql}`, 'select id from a where id = $1'])
  const bound = await use(sql, [7])
  expect(bound).toMatchObject({ text: 'select id from a where id = $1', parameters: { values: ['7'], oids: [23] } })
  expect(bound.name).toMatch(/^h_[\w-]{24}$/)
  expect(await use(sql, [1.5])).toMatchObject({ parameters: null })
  expect(catalog.preparedUses).toBe(1)
  expect(catalog.mostUsed(5)).toHaveLength(1)
})

test('a text whose bound form is refused, or answers other columns, stays literal', async () => {
  const refused = Object.assign(new Error('could not determine data type'), { severity: 'ERROR' })
  const answers: Record<string, () => Promise<readonly FieldDescription[]>> = {
    refused: () => Promise.reject(refused),
    'another type': () => Promise.resolve([field('x', 25)]),
    'another name': () => Promise.resolve([field('y', 23)]),
    'more columns': () => Promise.resolve([field('x', 23), field('y', 23)]),
  }
  for (const [name, bound] of Object.entries(answers)) {
    const { use } = catalogOf((text) => (text.startsWith('literal') ? Promise.resolve([field('x', 23)]) : bound()))
    for (let n = 0; n < 5; n += 1) expect((await use('select ? as x', [1])).parameters, name).toBeNull()
  }
})

test('when the server cannot be asked it is asked again later', async () => {
  let failures = 1
  const { use } = catalogOf(async () => {
    if (failures-- > 0) throw new Error('connection lost')
    return []
  })
  for (let n = 0; n < 4; n += 1) expect((await use('select 1 where 1 = ?', [1])).parameters).toBeNull()
  expect((await use('select 1 where 1 = ?', [1])).parameters).not.toBeNull()
})

test('what cannot be bound is never asked about', async () => {
  let asked = 0
  const { use } = catalogOf(async () => {
    asked += 1
    return []
  })
  for (const [sql, params] of [
    ['select ?? from a', ['x']],
    ["select '?' from a where x = ?", [1, 2]],
    ['select a from x order by ?', [1]],
    ['create table x (y int default ?)', [1]],
    ['select 1 where ? = 1; select 2', [1]],
    ['select 1 where 1 = ?', [undefined]],
    ['select 1 where 1 = ?', [1, 2]],
  ] as const) {
    for (let n = 0; n < 4; n += 1) expect((await use(sql, params)).parameters, sql).toBeNull()
  }
  expect(asked).toBe(0)
})

test('a text with too many combinations of types stays literal beyond them', async () => {
  const { use } = catalogOf(async () => [])
  const sql = `select 1 where ${Array.from({ length: 6 }, () => 'x = ?').join(' or ')}`
  const combination = (n: number): number[] => Array.from({ length: 6 }, (_, bit) => ((n >> bit) & 1 ? 1.5 : 1))
  for (let n = 0; n < 64; n += 1) for (let use3 = 0; use3 < 3; use3 += 1) await use(sql, combination(n))
  expect((await use(sql, combination(0))).parameters).not.toBeNull()
  expect((await use(sql, combination(63))).parameters).toBeNull()
})

test('an authored text is plain until it comes again, and named at once when it is registered', () => {
  const { catalog } = catalogOf(async () => [])
  expect(catalog.ofText('select 1', [], false).statement).toMatchObject({ name: null, parameters: null })
  expect(catalog.ofText('select $1::int', [1], false).statement).toMatchObject({
    name: null,
    parameters: { values: ['1'] },
  })
  expect(catalog.ofText('select $1::int', [1], false).statement.name).toMatch(/^h_/)
  expect(catalog.ofText('select $1::text', ['?'], true).statement.name).toMatch(/^h_/)
  expect(catalog.ofText("select '{}'::jsonb ? $1", ['k'], true).statement.text).toBe("select '{}'::jsonb ? $1")
  expect(catalog.ofText('select 1; select 2', [], true).statement.parameters).toBeNull()
  expect(() => catalog.ofText('select \0', [], false)).toThrow('NUL')
  expect(catalog.size).toBeGreaterThan(0)
})
