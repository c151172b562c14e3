import { expect, test } from '@playwright/test'
import { CacheRig, GatedLoader } from '#fixtures/doubles/cache-rig.ts'
import { cacheKey } from './cache-key.ts'

const key = cacheKey('lesson', 1)
const BEAT_MS = 300

test('while Redis is away every read loads, shared within the process, and none fails', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  rig.redis.isDown = true
  let loads = 0
  const reads = Array.from({ length: 5 }, () => cache.getOrSet(key, () => (loads += 1)))
  expect(await rig.finish(Promise.all(reads), 0)).toEqual([1, 1, 1, 1, 1])
  expect(
    await rig.finish(
      cache.getOrSet(key, () => (loads += 1)),
      0,
    ),
  ).toBe(2)
  expect(await rig.finish(cache.get(key), 0)).toBeUndefined()
  expect(await rig.finish(cache.health(), 0)).toMatchObject({ status: 'unhealthy' })
})

test('a cache that starts without Redis works, and has Redis as soon as it answers', async () => {
  const rig = new CacheRig()
  rig.redis.isDown = true
  const { cache, reports } = await rig.start()
  expect(
    await rig.finish(
      cache.getOrSet(key, () => 'loaded'),
      0,
    ),
  ).toBe('loaded')
  // One report for the whole outage.
  await rig.clock.advance(10 * BEAT_MS)
  expect(reports).toHaveLength(1)
  rig.redis.isDown = false
  await rig.clock.advance(BEAT_MS)
  await rig.finish(
    cache.getOrSet(key, () => 'loaded'),
    0,
  )
  await rig.settle()
  expect(await rig.finish(cache.get(key), 0)).toBe('loaded')
  expect(await rig.finish(cache.health(), 0)).toMatchObject({ status: 'healthy' })
})

test('three failures in a row cut Redis off: nothing is sent until a probe beside the traffic succeeds', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  rig.redis.fail('read', 3)
  for (let read = 0; read < 3; read += 1) await rig.finish(cache.get(key), 0)
  const sent = rig.redis.log.length
  for (let read = 0; read < 10; read += 1) await rig.finish(cache.get(key), 0)
  expect(rig.redis.log.length).toBe(sent)
  expect(cache.stats()).toMatchObject({ errors: 3, refused: 10, misses: 13, hitRate: 0 })
  expect(await rig.finish(cache.health(), 0)).toMatchObject({
    status: 'degraded',
    reasons: ['Redis is cut off until a probe succeeds'],
  })
  await rig.clock.advance(BEAT_MS)
  await rig.finish(
    cache.getOrSet(key, () => 'value'),
    0,
  )
  await rig.settle()
  expect(await rig.finish(cache.get(key), 0)).toBe('value')
})

test('a Redis that stands still is found out by the heartbeat, before a caller has to wait for it', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  rig.redis.isFrozen = true
  await rig.clock.advance(2 * BEAT_MS + 2 * rig.redis.commandTimeoutMs)
  const begun = rig.clock.monotonic()
  expect(
    await rig.finish(
      cache.getOrSet(key, () => 'loaded'),
      1,
    ),
  ).toBe('loaded')
  expect(rig.clock.monotonic() - begun).toBe(0)
})

test('a caller who comes before the heartbeat waits for one command at most', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  rig.redis.isFrozen = true
  const begun = rig.clock.monotonic()
  expect(
    await rig.finish(
      cache.getOrSet(key, () => 'loaded'),
      1,
    ),
  ).toBe('loaded')
  expect(rig.clock.monotonic() - begun).toBeLessThanOrEqual(rig.redis.commandTimeoutMs + 1)
})

test('more operations than may be under way are refused at once instead of queued', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start({ maxInFlight: 2 })
  rig.redis.latencyMs = 50
  const reads: Promise<unknown>[] = []
  for (let read = 0; read < 5; read += 1) {
    reads.push(cache.get(cacheKey('k', read)))
    // Each in a turn of its own, so that each is a command of its own.
    await rig.settle()
  }
  expect(cache.stats().refused).toBe(3)
  await rig.finish(Promise.all(reads))
  expect(cache.stats().misses).toBe(5)
})

test('an invalidation that Redis does not confirm is told apart, and is made good before Redis is read again', async () => {
  const rig = new CacheRig()
  const [a, b] = [await rig.start(), await rig.start()]
  const other = cacheKey('lesson', 2)
  const third = cacheKey('course', 3)
  for (const one of [key, other, third])
    await rig.finish(a.cache.getOrSet(one, () => 'old', { tags: [`tag of ${one}`] }))
  await rig.settle()
  await rig.finish(b.cache.getMany([key, other, third]))
  rig.redis.isFrozen = true
  const results = [a.cache.delete(key), a.cache.invalidateTags([`tag of ${other}`]), a.cache.deletePattern('course:*')]
  expect((await rig.finish(Promise.all(results))).map(({ acknowledged }) => acknowledged)).toEqual([
    false,
    false,
    false,
  ])
  expect(await rig.finish(a.cache.set(cacheKey('set'), 'new'))).toBe(false)
  rig.redis.thaw()
  // This process knows what it could not end, and does not read it.
  for (const one of [key, other, third])
    expect(
      await rig.finish(
        a.cache.getOrSet(one, () => 'new'),
        0,
      ),
    ).toBe('new')
  await rig.clock.advance(2 * BEAT_MS)
  await rig.settle()
  for (const one of [key, other, third]) {
    expect(
      await rig.finish(
        b.cache.getOrSet(one, () => 'new'),
        0,
      ),
    ).toBe('new')
    expect(await rig.finish(a.cache.getOrSet(one, () => 'not called'))).toBe('new')
  }
  expect(a.cache.stats()).toMatchObject({ unacknowledged: 3, invalidations: 3 })
  expect(await rig.finish(a.cache.health())).toMatchObject({ status: 'healthy' })
})

test('what is owed and fails again is owed still', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  await rig.finish(cache.set(key, 'old'))
  rig.redis.fail('remove', 3)
  expect(await rig.finish(cache.delete(key), 0)).toMatchObject({ acknowledged: false })
  expect(await rig.finish(cache.health(), 0)).toMatchObject({
    status: 'degraded',
    reasons: ['Redis is cut off until a probe succeeds', '1 invalidations have not reached Redis'],
  })
  await rig.clock.advance(BEAT_MS)
  expect(rig.redis.entries.size).toBe(1)
  await rig.clock.advance(3 * BEAT_MS)
  expect(rig.redis.entries.size).toBe(0)
  expect(await rig.finish(cache.health(), 0)).toMatchObject({ status: 'healthy' })
})

test('an announcement that fails makes the invalidation unacknowledged, though the entry is gone', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  await rig.finish(cache.set(key, 'old'))
  rig.redis.fail('announce', 1)
  expect(await rig.finish(cache.delete(key), 0)).toMatchObject({ acknowledged: false })
  await rig.clock.advance(2 * BEAT_MS)
  expect(await rig.finish(cache.health(), 0)).toMatchObject({ status: 'healthy' })
})

test('when more is owed than can be remembered, everything is ended', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  await rig.finish(cache.set(key, 'kept until then'))
  rig.redis.isDown = true
  const many = Array.from({ length: 10_001 }, (_, index) => cacheKey('many', index))
  await rig.finish(cache.delete(many), 0)
  rig.redis.isDown = false
  await rig.clock.advance(2 * BEAT_MS)
  expect(rig.redis.entries.size).toBe(0)
})

test('a store that fails after the load costs the caller nothing', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  rig.redis.fail('store', 1)
  expect(
    await rig.finish(
      cache.getOrSet(key, () => 'value'),
      0,
    ),
  ).toBe('value')
  await rig.settle()
  expect(cache.stats()).toMatchObject({ droppedWrites: 1, errors: 1 })
  rig.redis.fail('acquire', 1)
  expect(
    await rig.finish(
      cache.getOrSet(key, () => 'again'),
      0,
    ),
  ).toBe('again')
  rig.redis.fail('versions', 1)
  expect(
    await rig.finish(
      cache.getOrSet(key, () => 'tagged', { tags: ['t'] }),
      0,
    ),
  ).toBe('tagged')
  expect(cache.stats().droppedWrites).toBe(3)
})

test('a tagged entry whose tags cannot be asked for is not served', async () => {
  const rig = new CacheRig()
  const [a, b] = [await rig.start(), await rig.start()]
  await rig.finish(a.cache.getOrSet(key, () => 'old', { tags: ['t'] }))
  await rig.settle()
  rig.redis.fail('versions', 1)
  expect(
    await rig.finish(
      b.cache.getOrSet(key, () => 'loaded'),
      0,
    ),
  ).toBe('loaded')
})

test('who hears nothing, and can ask the store, joins no load from before an acknowledged invalidation', async () => {
  const rig = new CacheRig()
  const [a, b] = [await rig.start(), await rig.start()]
  b.remote.bus!.isHeld = true
  await rig.clock.advance(1_400)
  let committed = 'old'
  const slow = new GatedLoader(() => committed)
  const before = b.cache.getOrSet(key, slow.load)
  await rig.settle()
  committed = 'new'
  expect(await rig.finish(a.cache.delete(key), 1)).toMatchObject({ acknowledged: true })
  const after = b.cache.getOrSet(key, () => committed)
  slow.release(0)
  expect(await rig.finish(after, 1)).toBe('new')
  expect(await rig.finish(before, 1)).toBe('old')
})

test('a process that dies while it loads delays the others by its lease, not by its time limit', async () => {
  const rig = new CacheRig()
  const [a, b] = [await rig.start({ loadLeaseMs: 900 }), await rig.start({ loadLeaseMs: 900 })]
  const dead = new GatedLoader(() => 'never')
  void a.cache.getOrSet(key, dead.load)
  await rig.settle()
  // Nothing of the process is heard any more: its renewals fail.
  rig.redis.fail('renew', Infinity)
  const begun = rig.clock.monotonic()
  expect(await rig.finish(b.cache.getOrSet(key, () => 'value'))).toBe('value')
  expect(rig.clock.monotonic() - begun).toBeLessThanOrEqual(900 + 100)
})

test('a load that takes longer than a lease keeps it', async () => {
  const rig = new CacheRig()
  const [a, b] = [await rig.start({ loadLeaseMs: 300 }), await rig.start({ loadLeaseMs: 300 })]
  const slow = new GatedLoader(() => 'value')
  const reads = [a.cache.getOrSet(key, slow.load)]
  await rig.settle()
  reads.push(b.cache.getOrSet(key, slow.load))
  for (let step = 0; step < 200; step += 1) await rig.clock.advance(10)
  expect(slow.calls).toBe(1)
  slow.release(0)
  expect(await rig.finish(Promise.all(reads))).toEqual(['value', 'value'])
  expect(slow.calls).toBe(1)
})

test('who has waited for another process as long as a load may take loads for itself, and keeps nothing', async () => {
  const rig = new CacheRig()
  const [a, b] = [await rig.start(), await rig.start()]
  const slow = new GatedLoader(() => 'slow')
  void a.cache.getOrSet(key, slow.load, { loadTimeoutMs: 60_000 }).catch(() => undefined)
  await rig.settle()
  const begun = rig.clock.monotonic()
  expect(await rig.finish(b.cache.getOrSet(key, () => 'own', { loadTimeoutMs: 500 }))).toBe('own')
  expect(rig.clock.monotonic() - begun).toBeLessThan(600)
  await rig.settle()
  expect(await rig.finish(b.cache.get(key))).toBeUndefined()
  slow.release(0)
  await rig.settle()
})

test('a stopped cache waits for its writes, and then for nothing', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  rig.redis.latencyMs = 20
  await rig.finish(cache.getOrSet(key, () => 'value'))
  await rig.finish(cache.stop())
  expect(rig.redis.entries.has(key)).toBe(true)
  expect(rig.clock.pending).toBe(0)
})
