import { expect, test } from '@playwright/test'
import { cacheKey } from '#optimizations/cache/cache-key.ts'
import type { Cache } from '#optimizations/cache/cache.ts'
import { startCache } from '#optimizations/cache/start-cache.ts'
import { createPassThroughCache } from '#optimizations/cache/pass-through-cache.ts'
import { StandInCache } from './stand-in-cache.ts'

/** A cache in memory that writes down what is invalidated. */
async function recordingCache() {
  const seen: string[] = []
  const memory = await startCache({ namespace: 'stand-in' })
  const cache = new Proxy(memory, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      return (...args: unknown[]) => {
        if (/^(delete|invalidate)/.test(String(name))) seen.push(`${String(name)} ${String(args[0])}`)
        return Reflect.apply(member, target, args) as unknown
      }
    },
  })
  return { cache, seen }
}

const key = cacheKey('lesson', 1)
const why = (): string => 'Redis is on holiday'

test('it keeps nothing, and says for every invalidation that it was not acknowledged', async () => {
  const standIn = new StandInCache(why)
  expect(await standIn.getOrSet(key, () => 1)).toBe(1)
  expect(await standIn.getOrSet(key, () => 2)).toBe(2)
  expect(await standIn.set(key, 3)).toBe(false)
  expect(await standIn.setMany([{ key, value: 3 }])).toBe(false)
  expect(await standIn.get(key)).toBeUndefined()
  expect(await standIn.getMany([key])).toEqual([undefined])
  expect(standIn.peek(key)).toBeUndefined()
  expect(await standIn.invalidateTags(['a'])).toEqual({ acknowledged: false, removed: 0 })
  expect(await standIn.health()).toEqual({ status: 'unhealthy', reasons: ['Redis is on holiday'] })
  expect(standIn.stats().hits).toBe(0)
  await standIn.idle()
})

test('all that was invalidated meanwhile is invalidated in the real cache before its first use, each once', async () => {
  const standIn = new StandInCache(why)
  await standIn.invalidateTags(['a', 'b'])
  await standIn.invalidateTags(['a'])
  await standIn.delete(key)
  await standIn.delete([key])
  await standIn.deletePattern('lesson:*')
  await standIn.set(cacheKey('written', 1), 'x')
  await standIn.setMany([{ key: cacheKey('written', 2), value: 'x' }])
  const { cache, seen } = await recordingCache()
  await standIn.become(cache)
  expect(seen.toSorted()).toEqual([
    'delete lesson:~1',
    'delete written:~1',
    'delete written:~2',
    'deletePattern lesson:*',
    'invalidateTags a',
    'invalidateTags b',
  ])
})

test('what is invalidated while the real cache is being prepared counts too', async () => {
  const standIn = new StandInCache(why)
  await standIn.invalidateTags(['early'])
  const seen: string[] = []
  const cache: Cache = {
    ...createPassThroughCache(),
    invalidateTags: async (tags) => {
      if (seen.push(...tags) === 1) await standIn.invalidateTags(['in between'])
      return { acknowledged: true, removed: 0 }
    },
  }
  await standIn.become(cache)
  expect(seen).toEqual(['early', 'in between'])
})

test('more than can be remembered invalidates everything', async () => {
  const standIn = new StandInCache(why)
  await standIn.invalidateTags(Array.from({ length: 10_001 }, (_, at) => `tag:${at}`))
  const { cache, seen } = await recordingCache()
  await standIn.become(cache)
  expect(seen).toEqual(['deletePattern *'])
})

test('once the real cache is there, everything goes to it, also what was wrapped before', async () => {
  const standIn = new StandInCache(why)
  let loads = 0
  const cached = standIn.cached((id: number) => ({ id, loads: (loads += 1) }), { name: 'wrapped' })
  await cached(1)
  const { cache, seen } = await recordingCache()
  await standIn.become(cache)
  await cached(1)
  expect(await cached(1)).toEqual({ id: 1, loads: 2 })
  expect(await standIn.set(key, 'kept', { tags: ['t'] })).toBe(true)
  expect(await standIn.setMany([{ key: cacheKey('many', 1), value: 1 }])).toBe(true)
  expect(await standIn.get(key)).toBe('kept')
  expect((await standIn.delete(key)).acknowledged).toBe(true)
  expect((await standIn.invalidateTags(['t'])).acknowledged).toBe(true)
  expect((await standIn.deletePattern('many:*')).acknowledged).toBe(true)
  expect(seen).toEqual(['delete lesson:~1', 'invalidateTags t', 'deletePattern many:*'])
  expect((await standIn.health()).status).toBe('healthy')
  await standIn[Symbol.asyncDispose]()
})
