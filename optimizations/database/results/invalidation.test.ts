import { expect, test } from '@playwright/test'
import type { NotificationListener } from '../notification-listener.ts'
import { analyzeSql } from '../statements/sql-analysis.ts'
import { Invalidation } from './invalidation.ts'
import { ReadDependencies } from './read-dependencies.ts'
import { memoizeQuery } from './result-memo.ts'
import { SchemaCatalog } from './schema-catalog.ts'
import { TableVersions } from './table-versions.ts'
import type { WriteEffect } from './write-effect.ts'

function listening() {
  let receive: (payload: string) => void = () => undefined
  let change: () => void = () => undefined
  const state = { connected: true }
  const on = (_: string, listener: (payload: string) => void): Disposable => {
    receive = listener
    return { [Symbol.dispose]: () => (receive = () => undefined) }
  }
  const onStateChange = (listener: () => void): Disposable => {
    change = listener
    return { [Symbol.dispose]: () => (change = () => undefined) }
  }
  const listener = {
    on,
    onStateChange,
    get connected() {
      return state.connected
    },
  } as unknown as NotificationListener
  const written: WriteEffect[] = []
  const versions = new TableVersions(() => 0)
  const invalidation = new Invalidation({ versions, listener, onWritten: (effect) => void written.push(effect) })
  return { invalidation, written, versions, state, say: (text: string) => receive(text), flip: () => change() }
}

test('writes of others are taken over, own ones are not heard twice, and what is not understood means everything', () => {
  const { invalidation, written, say, flip, state } = listening()
  const own = String(invalidation.announcement(new Set(['a']))?.parameters?.values[1])
  say(own)
  say('')
  expect(written).toEqual([])
  say('other ["a","b,c"]')
  say('other []')
  say('other nonsense')
  expect(written).toEqual([new Set(['a', 'b,c']), 'everything', 'everything'])
  state.connected = false
  flip()
  expect(invalidation.isTrusted).toBe(false)
  expect(written.at(-1)).toBe('everything')
  invalidation[Symbol.dispose]()
  say('other ["a"]')
  expect(written).toHaveLength(4)
})

test('more tables than a message holds are announced as everything, and nothing where nobody listens', () => {
  const { invalidation } = listening()
  const payload = (effect: WriteEffect) =>
    String(invalidation.announcement(effect)?.parameters?.values[1]).split(' ')[1]
  expect(payload(new Set(['a']))).toBe('["a"]')
  expect(payload('everything')).toBe('[]')
  expect(payload(new Set(Array.from({ length: 2_000 }, (_, n) => `table_${n}`)))).toBe('[]')
  const alone = new Invalidation({ versions: new TableVersions(() => 0), listener: null, onWritten: () => undefined })
  expect(alone.announcement(new Set(['a']))).toBeNull()
  expect(alone.isTrusted).toBe(true)
  alone[Symbol.dispose]()
})

test('before the catalog is loaded nothing is known, so nothing is kept and every write may be anywhere', async () => {
  const catalog = new SchemaCatalog()
  const read = analyzeSql('select f(x) from a')
  expect(catalog.tablesRead(read)).toBeNull()
  expect(catalog.tablesWritten(analyzeSql('update a set x = 1'))).toBe('everything')
  const rows: object[][] = [
    [
      { name: 'a', oid: 7 },
      { name: 'b', oid: 8 },
      { name: 'v', oid: 9 },
      { name: 't', oid: 10 },
    ],
    [
      { source: 'a', target: 'b' },
      { source: 'b', target: 'a' },
      { source: 'a', target: 'v' },
    ],
    [{ name: 't' }],
    [
      { name: 'f', volatile: false, own: true },
      { name: 'random', volatile: true, own: false },
    ],
  ]
  let step = 0
  await catalog.load(async () => rows[step++] ?? [])
  expect(catalog.tablesRead(read)).toBeNull()
  expect(catalog.tablesRead(analyzeSql('select x from a, v'))).toEqual(new Set(['a', 'v']))
  expect(catalog.tablesRead(analyzeSql('select random() from a'))).toBeNull()
  expect(catalog.tablesWritten(analyzeSql('update a set x = 1'))).toEqual(new Set(['a', 'b', 'v']))
  expect(catalog.tablesWritten(analyzeSql('insert into t values (1)'))).toBe('everything')
  expect(catalog.tablesWritten(analyzeSql('insert into unknown values (1)'))).toBe('everything')
  expect(catalog.tablesWritten(analyzeSql('select f(1)'))).toBe('everything')
  expect(catalog.tablesWritten(analyzeSql('commit'))).toEqual(new Set())
  expect(catalog.dependsOnTime(analyzeSql('select now() from a'))).toBe(true)
  expect(catalog.dependsOnTime(analyzeSql('select current_date from a'))).toBe(true)
  catalog.forget()
  expect(catalog.isLoaded).toBe(false)
  expect(catalog.tablesWritten(analyzeSql('select f(1)'))).toBe('everything')
})

test('a reading function that read what no table tells of is not kept', async () => {
  const dependencies = new ReadDependencies()
  dependencies.add(new Set(['a']))
  dependencies.add(new Set(['b']))
  expect(dependencies.tables).toEqual(new Set(['a', 'b']))
  dependencies.add(null)
  dependencies.add(new Set(['c']))
  expect(dependencies.tables).toBeNull()
  const kept: unknown[] = []
  const memory = {
    getOrLoad: async (_: string, __: null, load: () => Promise<{ value: unknown; bytes: number }>) => {
      const loaded = await load()
      kept.push(loaded)
      return loaded.value
    },
  } as never
  const value = { list: [{ a: 'x', b: 1n }], at: Object.freeze({ mutable: {} }), bytes: Buffer.from([1]), none: null }
  const read = memoizeQuery({ memory, fork: () => ({}) as never }, async () => value, { name: 'n' })
  expect(await read()).toBe(value)
  expect(Object.isFrozen(value.list[0])).toBe(true)
  expect(kept).toMatchObject([{ tables: new Set(), bytes: expect.any(Number) }])
})
