import { expect, test } from '@playwright/test'
import type { CacheKey } from '#optimizations/cache/cache-key.ts'
import { createPassThroughCache } from '#optimizations/cache/pass-through-cache.ts'
import type { EntryOptions } from '#optimizations/cache/cache.ts'
import { createReadings } from './readings.ts'

function setUp() {
  const asked: { key: CacheKey; options: EntryOptions }[] = []
  const cache = createPassThroughCache()
  const readings = createReadings({
    ...cache,
    getOrSet: (key, load, options = {}) => {
      asked.push({ key, options })
      return cache.getOrSet(key, load, options)
    },
  })
  return { asked, readings }
}

test('two inputs that differ in any member have keys of their own, and equal ones have one', async () => {
  const { asked, readings } = setUp()
  const sum = readings.declare({ name: 'sum', ttlMs: 1_000, load: async ({ a, b }: { a: number; b: number }) => a + b })
  expect([await sum({ a: 1, b: 2 }), await sum({ a: 2, b: 1 }), await sum({ b: 2, a: 1 })]).toEqual([3, 3, 3])
  const [first, second, third] = asked.map(({ key }) => key)
  expect(second).not.toBe(first)
  expect(third).toBe(first)
})

test('tags and lifetime follow from the input, and are there before the load begins', async () => {
  const { asked, readings } = setUp()
  let known = 0
  const one = readings.declare({
    name: 'one',
    tags: (id) => [`thing:${id}`],
    ttlMs: (id) => id.length * 1_000,
    staleMs: 5,
    load: async (id: string) => {
      known = asked.length
      return id
    },
  })
  expect(await one('abc')).toBe('abc')
  expect(known).toBe(1)
  expect(asked[0]?.options).toEqual({ tags: ['thing:abc'], ttlMs: 3_000, staleMs: 5 })
})

test('a reading that is declared again, as within a request, is refused', () => {
  const { readings } = setUp()
  const declare = () => readings.declare({ name: 'twice', ttlMs: 1_000, load: async (id: string) => id })
  declare()
  expect(declare).toThrow('"twice"')
})
