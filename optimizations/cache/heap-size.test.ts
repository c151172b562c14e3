import { expect, test } from '@playwright/test'
import { catalogPage } from '#fixtures/data/cache-values.ts'
import { heapInUse } from '#fixtures/doubles/heap-in-use.ts'
import { heapBytes, HeapEstimator } from './heap-size.ts'

const VALUES = 20_000

/** What each of many values takes on the heap, after everything else has been collected. */
async function measure(make: (index: number) => unknown): Promise<number> {
  const kept: unknown[] = Array.from({ length: VALUES }, () => null)
  for (let index = 0; index < 500; index += 1) make(index)
  const before = await heapInUse()
  for (const index of kept.keys()) kept[index] = make(index)
  return ((await heapInUse()) - before) / kept.length
}

const SHAPES: readonly [string, (index: number) => unknown][] = [
  ['text', (index) => Buffer.from(`${'text '.repeat(40)}${index}`).toString()],
  [
    'a row',
    (index) => ({ id: index, name: Buffer.from(`the name ${index}`).toString(), at: index + 0.5, isActive: true }),
  ],
  ['numbers with fractions', (index) => ({ list: Array.from({ length: 50 }, (_, at) => [at + index / 7]) })],
  ['dates', (index) => Array.from({ length: 20 }, (_, at) => new Date(index * 1_000 + at))],
  ['bytes', (index) => Buffer.alloc(2_000, index % 256)],
  ['a map', (index) => new Map(Array.from({ length: 20 }, (_, at) => [at, { value: index }]))],
  ['a set', (index) => new Set(Array.from({ length: 20 }, (_, at) => at + index))],
]

for (const [name, make] of SHAPES) {
  test(`the size of ${name} is estimated to a third`, async () => {
    const measured = await measure(make)
    const estimated = heapBytes(make(1_234))
    expect(estimated).toBeGreaterThan(measured * 0.66)
    expect(estimated).toBeLessThan(measured * 1.5)
  })
}

test('what takes no room of its own counts as nothing', () => {
  for (const value of [null, undefined, true, 7, -7]) expect(heapBytes(value)).toBe(0)
  expect(heapBytes(10n)).toBeGreaterThan(0)
  expect(heapBytes(2 ** 40)).toBeGreaterThan(0)
})

test('an estimate follows the values of its size when their kind changes', () => {
  const estimator = new HeapEstimator()
  const text = 'x'.repeat(6_000)
  const first = estimator.estimate(text, 6_000)
  expect(estimator.estimate(text, 6_000)).toBeCloseTo(first, -2)
  let last = 0
  for (let count = 0; count < 1_000; count += 1) last = estimator.estimate(catalogPage(count), 6_600)
  expect(last).toBeGreaterThan(first * 1.7)
})
