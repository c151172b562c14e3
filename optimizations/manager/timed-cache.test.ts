import { expect, test } from '@playwright/test'
import { RecordingTimer } from '#fixtures/doubles/recording-timer.ts'
import { cacheKey } from '#optimizations/cache/cache-key.ts'
import { createPassThroughCache } from '#optimizations/cache/pass-through-cache.ts'
import { startCache } from '#optimizations/cache/start-cache.ts'
import type { Cache, Load } from '#optimizations/cache/cache.ts'
import { createTimedCache } from './timed-cache.ts'

const key = cacheKey('lesson', 1)

test('the time of the load is not time in the cache', async () => {
  const timer = new RecordingTimer()
  await using memory = await startCache({ namespace: 'timed' })
  const cache = createTimedCache(memory, () => timer)
  const load = (): string => {
    timer.seen.push('load')
    return 'value'
  }
  expect(await cache.getOrSet(key, load)).toBe('value')
  expect(await cache.getOrSet(key, () => 'other')).toBe('value')
  expect(timer.seen).toEqual(['+cache', '-cache', 'load', '+cache', '-cache', '+cache', '-cache'])
})

test('a load that fails leaves no phase open', async () => {
  const timer = new RecordingTimer()
  const cache = createTimedCache(createPassThroughCache(), () => timer)
  await expect(cache.getOrSet(key, () => Promise.reject(new Error('no row')))).rejects.toThrow('no row')
  expect(timer.open).toBe(0)
})

test('a refresh that goes on behind a stale value touches no timer once the read is over', async () => {
  const timer = new RecordingTimer()
  const { promise: loaded, resolve: endLoad } = Promise.withResolvers<void>()
  let refreshing: Promise<unknown> = Promise.resolve()
  const stale: Cache = {
    ...createPassThroughCache(),
    getOrSet: async <T>(_key: unknown, load: Load<T>) => {
      refreshing = Promise.resolve(
        load({ signal: new AbortController().signal, keepFor: () => undefined, doNotKeep: () => undefined }),
      )
      return 'stale' as T
    },
  }
  const cache = createTimedCache(stale, () => timer)
  expect(await cache.getOrSet(key, () => loaded)).toBe('stale')
  endLoad()
  await refreshing
  expect(timer.open).toBe(0)
})

test('outside of a request nothing is timed', async () => {
  await using cache = createTimedCache(createPassThroughCache(), () => undefined)
  expect(await cache.getOrSet(key, () => 1)).toBe(1)
  expect(await cache.get(key)).toBeUndefined()
})

test('every call that may ask Redis is timed and answers what the cache answers', async () => {
  const timer = new RecordingTimer()
  await using memory = await startCache({ namespace: 'timed' })
  const cache = createTimedCache(memory, () => timer)
  expect(await cache.set(key, 1)).toBe(true)
  expect(cache.peek(key)).toBe(1)
  expect(await cache.get(key)).toBe(1)
  expect(await cache.setMany([{ key, value: 2 }])).toBe(true)
  expect(await cache.getMany([key])).toEqual([2])
  expect((await cache.delete(key)).acknowledged).toBe(true)
  expect((await cache.invalidateTags(['t'])).acknowledged).toBe(true)
  expect((await cache.deletePattern('x*')).acknowledged).toBe(true)
  expect(await cache.cached((id: number) => id + 1, { name: 'next' })(1)).toBe(2)
  await cache.idle()
  expect((await cache.health()).status).toBe('healthy')
  expect(cache.stats().namespace).toBe('timed')
  expect(timer.open).toBe(0)
  expect(timer.seen.filter((one) => one === '+cache').length).toBeGreaterThanOrEqual(8)
  await cache.stop()
})
