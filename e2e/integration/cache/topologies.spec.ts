import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { cacheKey } from '#optimizations/cache/cache-key.ts'
import type { Cache } from '#optimizations/cache/cache.ts'
import { startCache } from '#optimizations/cache/start-cache.ts'
import {
  startRedisCluster,
  startRedisWithSentinel,
  startRedisWithTls,
} from '#fixtures/services/redis/redis-topologies.ts'
import { expect, test } from '#fixtures/test.ts'

const PATIENT = { commandTimeoutMs: 5_000 }
const KEPT = { ttlMs: 600_000, jitter: 0, earlyRefresh: 0, tags: ['rows', 'more rows'] } as const

/** Reads until the process has the value in memory. */
async function remember(cache: Cache, key: ReturnType<typeof cacheKey>, value: number): Promise<void> {
  await expect
    .poll(async () => {
      await cache.getOrSet(key, () => value, KEPT)
      return cache.peek(key)
    })
    .toBe(value)
}

test('on Redis Cluster everything holds that holds on one server, over keys and tags of many slots', async ({
  ownServices,
}) => {
  await using cluster = await startRedisCluster(ownServices)
  const options = { url: cluster.url, namespace: 'clustered', ...PATIENT }
  await using a = await startCache(options)
  await using b = await startCache(options)
  const keys = Array.from({ length: 40 }, (_, index) => cacheKey('row', index))
  const other = cacheKey('other')
  const loads = { count: 0 }
  const values = await Promise.all(
    [a, b].flatMap((cache) => keys.map((key, index) => cache.getOrSet(key, () => (loads.count += 1) && index, KEPT))),
  )
  expect(values).toEqual([...keys.keys(), ...keys.keys()])
  expect(loads.count).toBe(40)
  await Promise.all([a.idle(), b.idle()])
  expect(await b.getMany([...keys, other])).toEqual([...keys.keys(), undefined])

  const first = keys[0] ?? other
  await remember(b, first, 0)
  expect(await a.delete([first, other])).toEqual({ acknowledged: true, removed: 1 })
  expect(b.peek(first)).toBeUndefined()
  await remember(b, keys[1] ?? other, 1)
  expect(await a.invalidateTags(['rows', 'nothing'])).toMatchObject({ acknowledged: true })
  expect(b.peek(keys[1] ?? other)).toBeUndefined()
  expect(await b.getMany(keys)).toEqual(keys.map(() => undefined))
  expect(await a.setMany(keys.map((key, index) => ({ key, value: index })))).toBe(true)
  expect(await a.set(other, 'kept')).toBe(true)
  expect(await a.deletePattern('row:*')).toEqual({ acknowledged: true, removed: 40 })
  expect(await b.getMany([...keys, other])).toEqual([...keys.map(() => undefined), 'kept'])
  expect(await a.health()).toMatchObject({ details: { isMemoryServed: true, seesForeignWrites: false } })
})

test('when a node of the cluster goes, what lies on it is loaded, and it is used again when it is back', async ({
  ownServices,
}) => {
  test.setTimeout(120_000)
  await using cluster = await startRedisCluster(ownServices)
  await using cache = await startCache({ url: cluster.url, namespace: 'clustered', commandTimeoutMs: 500 })
  const keys = Array.from({ length: 20 }, (_, index) => cacheKey('row', index))
  const readAll = (): Promise<number[]> => Promise.all(keys.map((key, index) => cache.getOrSet(key, () => index, KEPT)))
  const expected = [...keys.keys()]
  expect(await readAll()).toEqual(expected)
  await cluster.nodes[0]?.process.kill()
  for (let round = 0; round < 5; round += 1) expect(await readAll()).toEqual(expected)
  await cluster.nodes[0]?.process.restart()
  await expect
    .poll(
      async () => {
        expect(await readAll()).toEqual(expected)
        await cache.idle()
        return (await cache.getMany(keys)).every((value) => value !== undefined)
      },
      { timeout: 30_000 },
    )
    .toBe(true)
})

test('behind a sentinel the cache follows the primary to another server, and no read fails meanwhile', async ({
  ownServices,
}) => {
  test.setTimeout(120_000)
  await using redis = await startRedisWithSentinel(ownServices)
  await using cache = await startCache({ url: redis.url, namespace: 'watched', commandTimeoutMs: 500 })
  const key = cacheKey('row')
  await remember(cache, key, 1)
  await redis.nodes[0]?.process.kill()
  await expect.poll(async () => (await cache.health()).status).toBe('unhealthy')
  expect(await cache.getOrSet(key, () => 2, KEPT)).toBe(2)
  await expect
    .poll(
      async () => {
        const value = await cache.getOrSet(key, () => 2, KEPT)
        expect([1, 2]).toContain(value)
        return (await cache.health()).status
      },
      { timeout: 30_000 },
    )
    .toBe('healthy')
  expect(await cache.delete(key)).toMatchObject({ acknowledged: true })
  await remember(cache, key, 3)
})

test('over TLS both connections are made, with a certificate that is trusted, and none with one that is not', async ({
  ownServices,
}) => {
  await using redis = await startRedisWithTls(ownServices)
  const key = cacheKey('row')
  await using refused = await startCache({ url: redis.url, namespace: 'encrypted' })
  expect(await refused.getOrSet(key, () => 1)).toBe(1)
  expect(await refused.health()).toMatchObject({ status: 'unhealthy' })
  const trusted = getCACertificates()
  setDefaultCACertificates([...trusted, redis.certificate])
  try {
    await using cache = await startCache({ url: redis.url, namespace: 'encrypted', ...PATIENT })
    await remember(cache, key, 2)
    expect(await cache.health()).toMatchObject({ status: 'healthy', details: { seesForeignWrites: true } })
    expect(await cache.delete(key)).toEqual({ acknowledged: true, removed: 1 })
  } finally {
    setDefaultCACertificates(trusted)
  }
})
