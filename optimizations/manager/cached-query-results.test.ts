import { expect, test } from '@playwright/test'
import { cacheKey } from '#optimizations/cache/cache-key.ts'
import type { Cache } from '#optimizations/cache/cache.ts'
import { startCache } from '#optimizations/cache/start-cache.ts'
import { systemClock } from '#optimizations/kernel/clock.ts'
import { createCachedQueryResults } from './cached-query-results.ts'

const clock = { sleep: async () => undefined }
const options = { ttlMs: 10_000, tags: ['table:users'] }

/** A cache whose Redis answers only once it is said to be there. */
function flakyCache() {
  const state = { isThere: false, asked: [] as (readonly string[])[] }
  const cache: Pick<Cache, 'getOrSet' | 'invalidateTags'> = {
    getOrSet: async (_key, load) =>
      load({ signal: new AbortController().signal, keepFor: () => undefined, doNotKeep: () => undefined }),
    invalidateTags: async (tags) => {
      state.asked.push(tags)
      return { acknowledged: state.isThere, removed: 0 }
    },
  }
  return { state, cache }
}

test('rows are kept in the cache until their table is written to', async () => {
  await using cache = await startCache({ namespace: 'results' })
  await using results = createCachedQueryResults({ cache: () => cache, clock })
  let loads = 0
  const read = () => results.getOrSet('q', async () => (loads += 1), options)
  expect([await read(), await read()]).toEqual([1, 1])
  expect(await cache.get(cacheKey('query', 'q'))).toBe(1)
  await results.invalidateTags(['table:users'])
  expect(await read()).toBe(2)
})

test('an invalidation that Redis does not hear of resolves only once it does, with all that came meanwhile', async () => {
  const { state, cache } = flakyCache()
  const pauses: (() => void)[] = []
  await using results = createCachedQueryResults({
    cache: () => cache,
    clock: { sleep: () => new Promise<void>((resolve) => pauses.push(resolve)) },
  })
  const done: string[] = []
  for (const tag of ['table:a', 'table:b']) void results.invalidateTags([tag]).then(() => done.push(tag))
  await expect.poll(() => pauses.length).toBe(1)
  pauses.shift()?.()
  await expect.poll(() => pauses.length).toBe(1)
  expect(done).toEqual([])
  state.isThere = true
  pauses.shift()?.()
  await expect.poll(() => done).toEqual(['table:a', 'table:b'])
  expect(state.asked.at(-1)).toEqual(['table:a', 'table:b'])
})

test('what comes after a repetition has ended is repeated anew', async () => {
  const { state, cache } = flakyCache()
  await using results = createCachedQueryResults({
    cache: () => cache,
    clock: { sleep: async () => void (state.isThere = true) },
  })
  await results.invalidateTags(['table:a'])
  state.isThere = false
  await results.invalidateTags(['table:b'])
  expect(state.asked).toEqual([['table:a'], ['table:a'], ['table:b'], ['table:b']])
})

test('before the cache has started every read loads and keeps nothing', async () => {
  await using results = createCachedQueryResults({ cache: () => undefined, clock })
  let loads = 0
  const read = () =>
    results.getOrSet(
      'q',
      async (context) => {
        context.doNotKeep()
        return (loads += 1)
      },
      options,
    )
  expect([await read(), await read()]).toEqual([1, 2])
})

test('whoever still waits at the stop is told that it will not happen any more', async () => {
  const { cache } = flakyCache()
  const results = createCachedQueryResults({ cache: () => cache, clock: systemClock })
  const waiting = results.invalidateTags(['table:a'])
  await results[Symbol.asyncDispose]()
  await expect(waiting).rejects.toThrow('aborted')
})
