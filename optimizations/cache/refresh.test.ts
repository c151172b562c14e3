import { expect, test } from '@playwright/test'
import { CacheRig, GatedLoader } from '#fixtures/doubles/cache-rig.ts'
import { cacheKey } from './cache-key.ts'
import type { LoadContext } from './cache.ts'
import { startCache } from './start-cache.ts'

const key = cacheKey('lesson', 1)
const EXACT = { jitter: 0, earlyRefresh: 0 } as const

test('after its time a value is served while one refresh runs, and the new one after that', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  let version = 1
  const loader = new GatedLoader(() => version)
  const options = { ...EXACT, ttlMs: 1_000, staleMs: 5_000 }
  const first = cache.getOrSet(key, loader.load, options)
  await rig.settle()
  loader.release(0)
  await rig.finish(first)
  await rig.clock.advance(1_001)
  version = 2
  const stale = await rig.finish(Promise.all([1, 2, 3].map(() => cache.getOrSet(key, loader.load, options))), 0)
  expect(stale).toEqual([1, 1, 1])
  await rig.settle()
  expect(loader.calls).toBe(2)
  expect(cache.stats().staleHits).toBe(3)
  expect(await rig.finish(cache.get(key), 0)).toBeUndefined()
  loader.release(1)
  await rig.settle()
  expect(await rig.finish(cache.getOrSet(key, loader.load, options), 0)).toBe(2)
})

test('a caller may wait for the refresh a little before it takes the stale value', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  let version = 1
  const loader = new GatedLoader(() => version)
  const options = { ...EXACT, ttlMs: 1_000, staleMs: 60_000, softTimeoutMs: 50 }
  const first = cache.getOrSet(key, loader.load, options)
  await rig.settle()
  loader.release(0)
  await rig.finish(first)
  await rig.clock.advance(1_001)
  version = 2
  const quick = cache.getOrSet(key, loader.load, options)
  await rig.settle()
  loader.release(1)
  expect(await rig.finish(quick, 0)).toBe(2)
  await rig.settle()
  await rig.clock.advance(1_001)
  version = 3
  expect(await rig.finish(cache.getOrSet(key, loader.load, options), 10)).toBe(2)
})

test('a refresh that fails costs its readers nothing while the stale value lasts, and is not repeated at once', async () => {
  const rig = new CacheRig()
  const { cache, reports } = await rig.start({ errorBackoffMs: 200 })
  let loads = 0
  const load = (): string => {
    loads += 1
    if (loads > 1) throw new Error('database down')
    return 'old'
  }
  const options = { ...EXACT, ttlMs: 1_000, staleMs: 10_000 }
  await rig.finish(cache.getOrSet(key, load, options))
  await rig.clock.advance(1_001)
  for (let read = 0; read < 5; read += 1) {
    expect(await rig.finish(cache.getOrSet(key, load, options), 0)).toBe('old')
    await rig.settle()
  }
  expect(loads).toBe(2)
  expect(reports).toEqual(['refresh: Error: database down'])
  await rig.clock.advance(10_000)
  await expect(rig.finish(cache.getOrSet(key, load, options))).rejects.toThrow('database down')
})

test('a dear value is refreshed before its end, without anybody waiting', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  let loads = 0
  const load = async (): Promise<number> => {
    loads += 1
    const value = loads
    await rig.clock.sleep(200)
    return value
  }
  const options = { ttlMs: 1_000, jitter: 0, earlyRefresh: 100 }
  expect(await rig.finish(cache.getOrSet(key, load, options))).toBe(1)
  await rig.settle()
  // With this weight the first copy is due at once: it is served all the same.
  expect(await rig.finish(cache.getOrSet(key, load, options), 0)).toBe(1)
  await rig.settle()
  expect(loads).toBe(2)
  await rig.clock.advance(300)
  expect(await rig.finish(cache.getOrSet(key, load, options), 0)).toBe(2)
})

test('a refresh by request loads whatever is there, and when it resolves no process serves what was there', async () => {
  const rig = new CacheRig()
  const [a, b] = [await rig.start(), await rig.start()]
  await rig.finish(a.cache.getOrSet(key, () => 'old'))
  await rig.settle()
  for (const { cache } of [a, b]) {
    expect(await rig.finish(cache.get(key))).toBe('old')
    expect(cache.peek(key)).toBe('old')
  }
  const seen = a.cache
    .getOrSet(key, () => 'new', { refresh: true })
    .then((value) => {
      return [value, a.cache.peek(key), b.cache.peek(key)]
    })
  expect(await rig.finish(seen)).toEqual(['new', undefined, undefined])
  for (const { cache } of [a, b]) expect(await rig.finish(cache.getOrSet(key, () => 'not called'))).toBe('new')
})

test('in a process of its own a refresh by request replaces what is in memory', async () => {
  await using cache = await startCache({ namespace: 'alone' })
  await cache.getOrSet(key, () => 'old')
  await cache.idle()
  expect(await cache.getOrSet(key, () => 'new', { refresh: true })).toBe('new')
  expect(cache.peek(key)).toBe('new')
})

for (const [title, load] of [
  ['is not to be kept', (context: LoadContext) => (context.doNotKeep(), 'new')],
  ['is nothing', () => undefined],
  ['cannot be written', () => Symbol('new')],
] as const) {
  test(`a refresh by request whose result ${title} ends the older value all the same`, async () => {
    const rig = new CacheRig()
    const [a, b] = [await rig.start(), await rig.start()]
    await rig.finish(a.cache.getOrSet(key, () => 'old'))
    await rig.settle()
    await rig.finish(b.cache.get(key))
    await rig.finish(a.cache.getOrSet<unknown>(key, load, { refresh: true }))
    expect(b.cache.peek(key)).toBeUndefined()
    expect(await rig.finish(b.cache.get(key))).toBeUndefined()
  })
}

test('a refresh by request that Redis cannot be told of leaves nothing older to this process, and is owed', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  await rig.finish(cache.getOrSet(key, () => 'old'))
  await rig.settle()
  await rig.finish(cache.get(key))
  rig.redis.isDown = true
  expect(await rig.finish(cache.getOrSet(key, () => 'new', { refresh: true }))).toBe('new')
  expect(cache.peek(key)).toBeUndefined()
  rig.redis.isDown = false
  await rig.clock.advance(2_000)
  await rig.settle()
  expect(await rig.finish(cache.get(key))).toBeUndefined()
})

test('a refresh by request that cannot be announced ends what it has stored, too', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  rig.redis.fail('announce')
  expect(await rig.finish(cache.getOrSet(key, () => 'new', { refresh: true }))).toBe('new')
  expect(await rig.finish(cache.get(key))).toBeUndefined()
})
