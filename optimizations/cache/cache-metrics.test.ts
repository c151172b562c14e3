import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { expect, test } from '@playwright/test'
import { Registry } from 'prom-client'
import { CacheRig } from '#fixtures/doubles/cache-rig.ts'
import { cacheKey } from './cache-key.ts'
import { registerCacheMetrics } from './cache-metrics.ts'
import { createPassThroughCache } from './pass-through-cache.ts'
import { startCache } from './start-cache.ts'

const key = cacheKey('lesson', 'secret id')

test('metrics say what the statistics say, by namespace, and never name a key', async () => {
  const registry = new Registry()
  await using cache = await startCache({ namespace: 'shop' }, { registry })
  await cache.getOrSet(key, () => 'value')
  await cache.idle()
  await cache.getOrSet(key, () => 'value')
  const text = await registry.metrics()
  expect(text).toContain('hotpath_cache_memory_hits_total{namespace="shop"} 1')
  expect(text).toContain('hotpath_cache_loads_total{namespace="shop"} 1')
  expect(text).toMatch(/hotpath_cache_memory_bytes\{namespace="shop"\} \d+/)
  expect(text).toContain('hotpath_cache_operation_seconds{namespace="shop",operation="load",quantile="0.99"}')
  expect(text).not.toContain('secret')
  // Collecting again does not count again.
  expect(await registry.metrics()).toContain('hotpath_cache_loads_total{namespace="shop"} 1')
})

test('two caches cannot report to one registry under the same names', async () => {
  const registry = new Registry()
  registerCacheMetrics(registry, createPassThroughCache())
  expect(() => registerCacheMetrics(registry, createPassThroughCache())).toThrow(/already been registered/)
})

test('what happens is published to those who subscribe', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  const published: string[] = []
  const channels = ['read', 'load', 'invalidation', 'fault'].map((name) => `hotpath:cache:${name}`)
  const listeners = channels.map((name) => {
    const listener = (message: unknown): void => {
      const { outcome, operation, isAcknowledged } = message as Record<string, string | boolean | undefined>
      published.push(`${name.slice(14)} ${outcome ?? operation ?? isAcknowledged ?? ''}`.trim())
    }
    subscribe(name, listener)
    return listener
  })
  await rig.finish(cache.getOrSet(key, () => 'value'))
  await rig.settle()
  await rig.finish(cache.getOrSet(key, () => 'value'))
  await rig.finish(cache.getOrSet(key, () => 'value'))
  await rig.finish(cache.delete(key))
  rig.redis.fail('read', 1)
  await rig.finish(cache.get(key))
  for (const [index, name] of channels.entries()) unsubscribe(name, listeners[index] ?? (() => undefined))
  expect(published).toEqual([
    'read miss',
    'load',
    'read redis',
    'read memory',
    'invalidation true',
    'fault read',
    'read miss',
  ])
})

test('health says of Redis what an operator asks first', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  const { status, roundTripMs, details } = await rig.finish(cache.health())
  expect(status).toBe('healthy')
  expect(roundTripMs).toBeGreaterThanOrEqual(0)
  expect(details).toMatchObject({
    breaker: 'closed',
    isMemoryServed: true,
    memory: { usedBytes: 0 },
    connections: { connectedClients: 1, blockedClients: 0 },
    evictedKeys: 0,
  })
})

test('the cache that is switched off loads every time, keeps nothing, and says so', async () => {
  await using cache = createPassThroughCache()
  let loads = 0
  const load = (): number => (loads += 1)
  expect([await cache.getOrSet(key, load), await cache.getOrSet(key, load)]).toEqual([1, 2])
  const twice = cache.cached(async (factor: number) => load() * factor, { name: 'twice' })
  expect([await twice(10), await twice(10)]).toEqual([30, 40])
  await cache.getOrSet(key, ({ doNotKeep, keepFor }) => {
    keepFor(1)
    doNotKeep()
  })
  expect([await cache.set(key, 1), await cache.setMany([])]).toEqual([true, true])
  expect([await cache.get(key), cache.peek(key), await cache.getMany([key])]).toEqual([
    undefined,
    undefined,
    [undefined],
  ])
  for (const ended of [cache.delete(key), cache.invalidateTags(['t']), cache.deletePattern('*')]) {
    expect(await ended).toEqual({ acknowledged: true, removed: 0 })
  }
  expect(await cache.health()).toMatchObject({ status: 'healthy', details: { mode: 'off' } })
  expect(cache.stats()).toMatchObject({ namespace: 'off', hits: 0, misses: 0, hitRate: 0 })
  await cache.idle()
  await cache.stop()
})
