import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { cacheKey } from '#optimizations/cache/cache-key.ts'
import { startCache } from '#optimizations/cache/start-cache.ts'
import { CacheWorker, type Database } from '#fixtures/doubles/cache-worker.ts'
import { expect, test } from '#fixtures/test.ts'

const PATIENT = { commandTimeoutMs: 5_000 }
const KEPT = { ttlMs: 600_000, jitter: 0, earlyRefresh: 0, tags: ['rows'] } as const

function startWorkers(count: number, url: string, database: Database): Promise<CacheWorker[]> {
  const options = { url, namespace: `p-${randomUUID()}`, ...PATIENT }
  return Promise.all(Array.from({ length: count }, () => CacheWorker.start(options, database)))
}

/** Reads until the process has the value in memory. */
async function remember(worker: CacheWorker, key: ReturnType<typeof cacheKey>): Promise<void> {
  await expect
    .poll(async () => {
      await worker.read(key, KEPT)
      return worker.peek(key)
    })
    .toBeDefined()
}

test('four processes with fifty callers each load a cold key once', async ({ redis, intensity }) => {
  const loads = new Map<string, number>()
  const release = Promise.withResolvers<number>()
  const workers = await startWorkers(4, redis.url, (key) => {
    loads.set(key, (loads.get(key) ?? 0) + 1)
    return key === cacheKey('cold', 0) ? release.promise : Promise.resolve(7)
  })
  await using owned = new AsyncDisposableStack()
  for (const worker of workers) owned.use(worker)
  // The first load is held until every process is waiting for it.
  const first = Promise.all(workers.map((worker) => worker.readByMany(cacheKey('cold', 0), 50, KEPT)))
  await expect
    .poll(async () => (await Promise.all(workers.map((worker) => worker.stats()))).map(({ misses }) => misses))
    .toEqual([50, 50, 50, 50])
  release.resolve(7)
  expect((await first).flat()).toEqual(Array.from({ length: 200 }, () => 7))
  const rounds = Math.ceil(200 * intensity)
  for (let round = 1; round <= rounds; round += 1) {
    const values = await Promise.all(workers.map((worker) => worker.readByMany(cacheKey('cold', round), 50, KEPT)))
    expect(new Set(values.flat())).toEqual(new Set([7]))
  }
  expect([...loads.values()]).toEqual(Array.from({ length: rounds + 1 }, () => 1))
})

for (const frozenMs of [0, 1_200]) {
  const title =
    frozenMs === 0 ? 'a process that was stopped for a moment' : 'a process that was stopped for longer than its lease'
  test(`${title} does not serve from memory what was ended meanwhile`, async ({ redis, intensity }) => {
    test.setTimeout(120_000)
    let row = 0
    const workers = await startWorkers(2, redis.url, async () => row)
    await using owned = new AsyncDisposableStack()
    for (const worker of workers) owned.use(worker)
    const [a, b] = workers as [CacheWorker, CacheWorker]
    const rounds = Math.ceil((frozenMs === 0 ? 100 : 20) * intensity)
    for (let round = 0; round < rounds; round += 1) {
      const key = cacheKey('row', round)
      await remember(b, key)
      b.freeze()
      row += 1
      const ended = a.delete(key)
      if (frozenMs === 0) {
        // Asked while it stands still: it finds both the question and the announcement when it goes on.
        const early = b.read(key, KEPT)
        b.thaw()
        expect(await ended).toMatchObject({ acknowledged: true })
        await early
      } else {
        expect(await ended).toMatchObject({ acknowledged: true })
        const late = b.read(key, KEPT)
        b.thaw()
        expect(await late).toBe(row)
      }
      expect(await b.read(key, KEPT)).toBe(row)
    }
  })
}

test('an invalidation is not acknowledged before a process that stands still has lost its permission to serve', async ({
  redis,
}) => {
  let row = 1
  const workers = await startWorkers(2, redis.url, async () => row)
  await using owned = new AsyncDisposableStack()
  for (const worker of workers) owned.use(worker)
  const [a, b] = workers as [CacheWorker, CacheWorker]
  const key = cacheKey('row')
  await remember(b, key)
  b.freeze()
  row = 2
  const begun = performance.now()
  expect(await a.invalidateTags('rows')).toMatchObject({ acknowledged: true })
  const waitedMs = performance.now() - begun
  // What was left of the lease of 1,000 ms: it is renewed every 286 ms.
  expect(waitedMs).toBeGreaterThan(400)
  expect(waitedMs).toBeLessThan(2_000)
  b.thaw()
  expect(await b.read(key, KEPT)).toBe(2)
})

test('a process that is killed while it loads delays the others by its lease', async ({ redis }) => {
  const namespace = `p-${randomUUID()}`
  const reached = Promise.withResolvers<void>()
  const options = { url: redis.url, namespace, loadLeaseMs: 600, ...PATIENT }
  await using dying = await CacheWorker.start(options, () => {
    reached.resolve()
    return new Promise(() => undefined)
  })
  await using living = await CacheWorker.start(options, async () => 5)
  const key = cacheKey('row')
  void dying.read(key).catch(() => undefined)
  await reached.promise
  const waiting = living.read(key)
  await dying.kill()
  const begun = performance.now()
  expect(await waiting).toBe(5)
  expect(performance.now() - begun).toBeLessThan(1_500)
})

test("another client's write is dropped from the memory of every process", async ({ redis }) => {
  const namespace = `p-${randomUUID()}`
  const workers = await Promise.all(
    [1, 2].map(() => CacheWorker.start({ url: redis.url, namespace, ...PATIENT }, async () => 1)),
  )
  await using owned = new AsyncDisposableStack()
  for (const worker of workers) owned.use(worker)
  const key = cacheKey('row')
  for (const worker of workers) await remember(worker, key)
  const other = new Redis(redis.url)
  await other.del(`${namespace}:e:{${key}}`)
  other.disconnect()
  for (const worker of workers) await expect.poll(() => worker.peek(key)).toBeUndefined()
})

test('where client tracking is not allowed, announcements keep memory true, and health says what is missing', async ({
  redis,
}) => {
  const admin = new Redis(redis.url)
  const user = `limited-${randomUUID()}`
  await admin.acl('SETUSER', user, 'on', '>secret', '~*', '&*', '+@all', '-client|tracking', '-client|kill')
  const url = new URL(redis.url)
  url.username = user
  url.password = 'secret'
  const options = { url: url.href, namespace: `p-${randomUUID()}`, ...PATIENT }
  let row = 1
  await using cache = await startCache(options)
  await using worker = await CacheWorker.start(options, async () => row)
  const key = cacheKey('row')
  await remember(worker, key)
  expect(await cache.health()).toMatchObject({
    status: 'degraded',
    reasons: ['Redis does not report writes that go past the cache'],
    details: { isMemoryServed: true, seesForeignWrites: false },
  })
  row = 2
  expect(await cache.delete(key)).toMatchObject({ acknowledged: true })
  expect(await worker.read(key, KEPT)).toBe(2)
  await admin.acl('DELUSER', user)
  admin.disconnect()
})

test('an announcement of another release, which cannot be understood, empties memory', async ({ redis }) => {
  const namespace = `p-${randomUUID()}`
  await using worker = await CacheWorker.start({ url: redis.url, namespace, ...PATIENT }, async () => 1)
  const key = cacheKey('row')
  await remember(worker, key)
  const other = new Redis(redis.url)
  const database = Number(new URL(redis.url).pathname.slice(1))
  expect(await other.publish(`${namespace}@${database}:announce`, 'not of this release')).toBe(1)
  other.disconnect()
  await expect.poll(() => worker.peek(key)).toBeUndefined()
})

test('no operation of the cache ever sends KEYS, or a command that empties more than its own', async ({ redis }) => {
  const raw = new Redis(redis.url)
  await raw.config('RESETSTAT')
  await using cache = await startCache({ url: redis.url, namespace: `p-${randomUUID()}`, ...PATIENT })
  const key = cacheKey('row', 1)
  await cache.getOrSet(key, () => 'value', KEPT)
  await cache.idle()
  await cache.getMany([key, cacheKey('row', 2)])
  await cache.set(key, 'other', KEPT)
  await cache.invalidateTags(['rows'])
  await cache.delete(key)
  await cache.deletePattern('row:*')
  await cache.health()
  const used = [...(await raw.info('commandstats')).matchAll(/^cmdstat_([^:]+):/gm)].map(([, name]) => name)
  raw.disconnect()
  expect(used).toContain('scan')
  expect(used).toContain('unlink')
  for (const never of ['keys', 'flushdb', 'flushall', 'del']) expect(used).not.toContain(never)
})

test('deletePattern removes 20,000 keys and nothing else, while the event loop goes on', async ({ redis }) => {
  const namespace = `p-${randomUUID()}`
  await using cache = await startCache({ url: redis.url, namespace, ...PATIENT })
  const kept = cacheKey('kept', 'many')
  await cache.set(kept, 'value')
  const raw = new Redis(redis.url)
  const names = Array.from({ length: 20_000 }, (_, index) => `${namespace}:e:{many:~${index}}`)
  await raw.mset(names.flatMap((name) => [name, 'x']))
  raw.disconnect()
  let turns = 0
  const ticking = setInterval(() => (turns += 1), 1)
  expect(await cache.deletePattern('many:*')).toEqual({ acknowledged: true, removed: 20_000 })
  clearInterval(ticking)
  expect(turns).toBeGreaterThan(5)
  expect(await cache.get(kept)).toBe('value')
})
