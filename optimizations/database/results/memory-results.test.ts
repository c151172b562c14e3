import { expect, test } from '@playwright/test'
import { ManualClock } from '#fixtures/doubles/manual-clock.ts'
import { MemoryResults } from './memory-results.ts'
import { TableVersions } from './table-versions.ts'

function setUp() {
  const clock = new ManualClock()
  const versions = new TableVersions(() => clock.monotonic())
  const trust = { is: true }
  const memory = new MemoryResults({ clock, versions, isTrusted: () => trust.is }, { maxBytes: 16_000 })
  const tables = new Set(['a'])
  let loads = 0
  const read = (value: string, key = 'k', known: ReadonlySet<string> | null = tables, until?: Promise<void>) =>
    memory.getOrLoad(
      key,
      known,
      async () => {
        loads += 1
        await until
        return { value, bytes: 10, tables, ttlMs: 1_000 }
      },
      () => undefined,
    )
  return { clock, versions, trust, memory, read, loads: () => loads }
}

test('a result is good until its time or a write of one of its tables ends it', async () => {
  const { clock, versions, read, memory } = setUp()
  expect(await read('1')).toBe('1')
  expect(await read('2')).toBe('1')
  versions.written(new Set(['b']))
  expect(await read('3')).toBe('1')
  versions.written(new Set(['a']))
  expect(await read('4')).toBe('4')
  versions.written('everything')
  expect(await read('5')).toBe('5')
  await clock.advance(1_001)
  expect(await read('6')).toBe('6')
  expect(memory.bytes).toBe(10)
})

test('who comes after a write does not join a read that began before it', async () => {
  const { versions, read } = setUp()
  const gate = Promise.withResolvers<void>()
  const before = read('old', 'k', undefined, gate.promise)
  const beside = read('never', 'k')
  versions.written(new Set(['a']))
  const after = read('new', 'k')
  gate.resolve()
  expect(await Promise.all([before, beside, after])).toEqual(['old', 'old', 'new'])
  expect(await read('again')).toBe('new')
})

test('a read that a write overtook is answered and not kept', async () => {
  const { versions, read } = setUp()
  const gate = Promise.withResolvers<void>()
  const before = read('old', 'k', undefined, gate.promise)
  versions.written(new Set(['a']))
  gate.resolve()
  expect(await before).toBe('old')
  expect(await read('new')).toBe('new')
})

test('where the tables are not known beforehand any write ends the sharing', async () => {
  const { versions, read, loads } = setUp()
  const gate = Promise.withResolvers<void>()
  const both = [read('1', 'k', null, gate.promise), read('2', 'k', null)]
  versions.written(new Set(['unrelated']))
  const third = read('3', 'k', null)
  gate.resolve()
  expect(await Promise.all([...both, third])).toEqual(['1', '1', '3'])
  expect(loads()).toBe(2)
})

test('while the writes of others are not heard of nothing is kept or shared', async () => {
  const { trust, read } = setUp()
  trust.is = false
  expect(await Promise.all([read('1'), read('2')])).toEqual(['1', '2'])
  trust.is = true
  expect(await read('3')).toBe('3')
})

test('a failure reaches all who shared the read and is not kept', async () => {
  const { memory, read } = setUp()
  const fail = (): Promise<never> =>
    memory.getOrLoad(
      'k',
      null,
      () => Promise.reject(new Error('no')),
      () => undefined,
    )
  const failures = await Promise.allSettled([fail(), fail()])
  expect(failures.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(await read('1')).toBe('1')
})

test('the write rate fades with time', async () => {
  const { clock, versions } = setUp()
  for (let n = 0; n < 60; n += 1) versions.written(new Set(['a']))
  const busy = versions.writeRate(['a', 'b'])
  await clock.advance(60_000)
  expect(versions.writeRate(['a'])).toBeCloseTo(busy / 2)
  expect(versions.writeRate(['b'])).toBe(0)
})
