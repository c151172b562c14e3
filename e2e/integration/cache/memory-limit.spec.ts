import { cacheKey } from '#optimizations/cache/cache-key.ts'
import { startCache } from '#optimizations/cache/start-cache.ts'
import { userRow } from '#fixtures/data/cache-values.ts'
import { heapInUse } from '#fixtures/doubles/heap-in-use.ts'
import { expect, test } from '#fixtures/test.ts'

const MEBIBYTE = 1_048_576

test('under a million distinct keys memory keeps its limit, counted on the heap', async ({ intensity }) => {
  test.setTimeout(120_000)
  const maxBytes = 32 * MEBIBYTE
  await using cache = await startCache({ namespace: 'limited', memoryMaxBytes: maxBytes })
  const fill = async (first: number, count: number): Promise<void> => {
    const entries = Array.from({ length: count }, (_, index) => ({
      key: cacheKey('row', first + index),
      value: userRow(first + index),
    }))
    await cache.setMany(entries)
  }
  // What the first use alone costs: compiled code, and lists of their full length.
  for (let first = 0; first < 20_000; first += 1_000) await fill(first, 1_000)
  await cache.deletePattern('*')
  const before = await heapInUse()
  const keys = 1_000_000 * intensity
  for (let first = 0; first < keys; first += 1_000) await fill(first, 1_000)
  const used = (await heapInUse()) - before
  const { memory } = cache.stats()
  expect(memory.bytes).toBeLessThanOrEqual(maxBytes)
  expect(memory.bytes).toBeGreaterThan(maxBytes * 0.9)
  expect(memory.entries).toBeLessThan(keys / 2)
  expect(used / maxBytes).toBeLessThan(1.1)
})
