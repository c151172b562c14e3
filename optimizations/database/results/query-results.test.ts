import { expect, test } from '@playwright/test'
import { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import { ManualClock } from '#fixtures/doubles/manual-clock.ts'
import type { CacheReads, Row } from '../database.ts'
import type { Answer } from '../pool/wire-query.ts'
import { RequestContext } from '../request-context.ts'
import { analyzeSql } from '../statements/sql-analysis.ts'
import { StatementCall } from '../statements/statement-call.ts'
import { QueryStatistics } from '../statistics/query-statistics.ts'
import { MemoryResults } from './memory-results.ts'
import { QueryResults } from './query-results.ts'
import type { ResultCache } from './result-cache.ts'
import { SchemaCatalog } from './schema-catalog.ts'
import { TableVersions } from './table-versions.ts'

class MapCache implements ResultCache {
  readonly entries = new Map<string, { value: unknown; tags: readonly string[]; ttlMs: number }>()
  invalidated: Promise<void> = Promise.resolve()

  async getOrSet<T>(
    key: string,
    load: (context: { doNotKeep(): void }) => Promise<T>,
    options: { readonly ttlMs: number; readonly tags: readonly string[] },
  ): Promise<T> {
    const known = this.entries.get(key)
    if (known !== undefined) return known.value as T
    let isKept = true
    const value = await load({ doNotKeep: () => (isKept = false) })
    if (isKept) this.entries.set(key, { value, ...options })
    return value
  }

  async invalidateTags(tags: readonly string[]): Promise<void> {
    await this.invalidated
    for (const [key, entry] of this.entries) {
      if (entry.tags.some((tag) => tags.includes(tag))) this.entries.delete(key)
    }
  }
}

async function setUp(store: ResultCache | null, fields: Answer['fields'] = []) {
  const clock = new ManualClock()
  const background = new BackgroundTasks(() => undefined, clock)
  const versions = new TableVersions(() => clock.monotonic())
  const hearing = { isOn: true }
  const memory = new MemoryResults({ clock, versions, isTrusted: () => hearing.isOn }, { maxBytes: 1_600_000 })
  const statistics = new QueryStatistics({ maxFingerprints: 10, slowAfterMs: 500 })
  const catalog = new SchemaCatalog()
  const known: readonly object[][] = [
    [
      { name: 'a', oid: 1 },
      { name: 'b', oid: 2 },
    ],
    [],
    [],
    [],
  ]
  let loads = 0
  await catalog.load(async () => known[loads++] ?? [])
  const secrets = new Map([['a', new Set(['secret'])]])
  const results = new QueryResults({ clock, background, catalog, versions, memory, statistics, store, secrets })
  let runs = 0
  const read = async (sql: string, rows: Row[] = [{ n: 1 }], wanted: CacheReads = { ttlMs: 1_000 }): Promise<Row[]> => {
    const described = { analysis: analyzeSql(sql), identity: null }
    const call = new StatementCall({ text: sql, name: null, parameters: null }, described, new RequestContext({}))
    const run = async (): Promise<Answer> => {
      runs += 1
      return { command: 'SELECT', rowCount: rows.length, rows, fields }
    }
    return (await results.read(call, wanted, run)).rows
  }
  return { results, versions, background, read, hearing, runs: () => runs, statistics }
}

test('a store that is handed over keeps the rows under the tags of their tables', async () => {
  const store = new MapCache()
  const { read, results, background, runs } = await setUp(store)
  expect(await read('select n from a')).toEqual([{ n: 1 }])
  expect(await read('select n from a')).toEqual([{ n: 1 }])
  expect(runs()).toBe(1)
  expect([...store.entries.values()][0]).toMatchObject({ tags: ['table:*', 'table:a'], ttlMs: 1_000 })
  results.written(new Set(['b']))
  await background.idle()
  expect(store.entries.size).toBe(1)
  results.written('everything')
  await background.idle()
  expect(store.entries.size).toBe(0)
})

test('until the store has confirmed an invalidation it is not asked about these tables', async () => {
  const store = new MapCache()
  const { read, results, versions, background } = await setUp(store)
  await read('select n from a', [{ n: 1 }])
  const slow = Promise.withResolvers<void>()
  store.invalidated = slow.promise
  for (const effect of [new Set(['a']), new Set(['a'])]) {
    versions.written(effect)
    results.written(effect)
  }
  expect(await read('select n from a', [{ n: 2 }])).toEqual([{ n: 2 }])
  slow.resolve()
  await background.idle()
  expect(await read('select n from a', [{ n: 3 }])).toEqual([{ n: 3 }])
})

test('while the writes of others cannot be heard, a store is neither asked nor filled', async () => {
  const store = new MapCache()
  const { read, hearing } = await setUp(store)
  await read('select n from a', [{ n: 1 }])
  hearing.isOn = false
  expect(await read('select n from a', [{ n: 2 }])).toEqual([{ n: 2 }])
  await read('select n from b')
  expect(store.entries.size).toBe(1)
})

test('secrets are kept in no store, whether the text or only the answer shows them', async () => {
  const store = new MapCache()
  const { read } = await setUp(store)
  await read('select secret from a')
  await read('select * from a', [{ secret: 'x' }])
  await read(
    'select n from a',
    Array.from({ length: 10_001 }, () => ({ n: 1 })),
  )
  expect(store.entries.size).toBe(0)
  await read('select secret from b', [{ secret: 'another column of that name' }])
  expect(store.entries.size).toBe(1)
})

test('a column of a table that the catalog does not know is kept in no store', async () => {
  const store = new MapCache()
  const field = { name: 'n', columnID: 1, dataTypeID: 23 }
  const unknown = await setUp(store, [
    { ...field, tableID: 0 },
    { ...field, tableID: 99 },
  ])
  await unknown.read('select n from a')
  expect(store.entries.size).toBe(0)
  const known = await setUp(store, [{ ...field, tableID: 1 }])
  await known.read('select n from a')
  expect(store.entries.size).toBe(1)
})

test('the time to live follows cost and writes, and what is written all the time is not kept', async () => {
  const store = new MapCache()
  const { read, versions } = await setUp(store)
  await read('select n from a', [], true)
  expect([...store.entries.values()][0]?.ttlMs).toBe(60_000)
  for (let n = 0; n < 200; n += 1) versions.written(new Set(['b']))
  await read('select n from b', [], true)
  expect([...store.entries.values()][1]?.ttlMs).toBeLessThan(1_500)
  for (let n = 0; n < 200_000; n += 1) versions.written(new Set(['b']))
  await read('select m from b', [], true)
  expect([...store.entries.values()][2]?.ttlMs).toBe(0)
})

test('rows are the caller’s own, to the depth of their values', async () => {
  const { read } = await setUp(null)
  const rows = () => [{ n: { list: [1], at: new Date(0), bytes: Buffer.from([1]), none: null }, big: 1n }]
  const first = await read('select n from a', rows())
  expect(first).toEqual(rows())
  const value = first[0]?.['n'] as { list: number[]; at: Date; bytes: Buffer }
  value.list.push(2)
  value.at.setTime(9)
  value.bytes[0] = 9
  expect(await read('select n from a', [])).toEqual(rows())
})
