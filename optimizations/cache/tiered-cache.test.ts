import { crc32 } from 'node:zlib'
import { expect, test } from '@playwright/test'
import { CacheRig, GatedLoader } from '#fixtures/doubles/cache-rig.ts'
import { cacheKey } from './cache-key.ts'

const key = cacheKey('lesson', 1)
const EXACT = { jitter: 0, earlyRefresh: 0 } as const

test('a value is loaded once, then comes from Redis, then from memory', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  let loads = 0
  const read = (): Promise<number> => rig.finish(cache.getOrSet(key, () => (loads += 1)))
  expect(await read()).toBe(1)
  await rig.settle()
  expect([await read(), await read(), await read()]).toEqual([1, 1, 1])
  expect(cache.stats()).toMatchObject({ loads: 1, misses: 1, redisHits: 1, memoryHits: 2, hits: 3, hitRate: 0.75 })
})

test('callers of one process share one load, and those of another wait for it and take its value', async () => {
  const rig = new CacheRig()
  const [a, b] = [await rig.start(), await rig.start()]
  const loader = new GatedLoader(() => 'value')
  const reads = [a, a, a, b, b, b].map(({ cache }) => cache.getOrSet(key, loader.load))
  await rig.settle()
  expect(loader.calls).toBe(1)
  loader.release(0)
  expect(await rig.finish(Promise.all(reads))).toEqual(Array.from({ length: 6 }, () => 'value'))
  expect(loader.calls).toBe(1)
  expect(b.cache.stats().leaseWaits).toBe(1)
})

test('a process that waits learns of the value from its announcement, not from its next question', async () => {
  const rig = new CacheRig()
  const [a, b] = [await rig.start(), await rig.start()]
  const loader = new GatedLoader(() => 'value')
  const reads = [a, b].map(({ cache }) => cache.getOrSet(key, loader.load))
  await rig.settle()
  loader.release(0)
  // No time passes at all.
  for (let turn = 0; turn < 5; turn += 1) await rig.settle()
  expect(await Promise.all(reads)).toEqual(['value', 'value'])
})

test('the callers of a load that fails fail with it once, and the next are turned away until it is time', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start({ errorBackoffMs: 100 })
  const loader = new GatedLoader(() => 'value')
  const reads = Array.from({ length: 20 }, () => cache.getOrSet(key, loader.load))
  await rig.settle()
  loader.fail(0, new Error('database down'))
  const results = await rig.finish(Promise.allSettled(reads), 0)
  expect(new Set(results.map((result) => String((result as PromiseRejectedResult).reason)))).toEqual(
    new Set(['Error: database down']),
  )
  await expect(rig.finish(cache.getOrSet(key, loader.load), 0)).rejects.toThrow('database down')
  expect(loader.calls).toBe(1)
  expect(cache.stats()).toMatchObject({ loads: 1, loadErrors: 1, backedOff: 1 })
  await rig.clock.advance(101)
  const retry = cache.getOrSet(key, loader.load)
  await rig.settle()
  loader.release(1)
  expect(await rig.finish(retry)).toBe('value')
})

test('the lease of a load that fails is free at once for another process', async () => {
  const rig = new CacheRig()
  const [a, b] = [await rig.start(), await rig.start()]
  await expect(rig.finish(a.cache.getOrSet(key, () => Promise.reject(new Error('here only'))))).rejects.toThrow()
  await rig.settle()
  expect(await rig.finish(b.cache.getOrSet(key, () => 'value'))).toBe('value')
})

test('an absent row is kept like a value, for a time of its own; undefined is not kept at all', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  let loads = 0
  const nothing = (): null => {
    loads += 1
    return null
  }
  const options = { ...EXACT, ttlMs: 10_000, negativeTtlMs: 1_000 }
  for (let read = 0; read < 4; read += 1) {
    expect(await rig.finish(cache.getOrSet(key, nothing, options))).toBeNull()
    await rig.settle()
  }
  expect(loads).toBe(1)
  expect(cache.stats().negativeHits).toBe(3)
  await rig.clock.advance(1_001)
  await rig.finish(cache.getOrSet(key, nothing, options))
  expect(loads).toBe(2)
  const other = cacheKey('other')
  for (let read = 0; read < 2; read += 1) {
    await rig.finish(cache.getOrSet(other, () => void (loads += 1)))
    await rig.settle()
  }
  expect(loads).toBe(4)
  expect(await rig.finish(cache.get(other))).toBeUndefined()
})

test('a load chooses how long its own value is kept, or that it is not kept', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  await rig.finish(
    cache.getOrSet(
      key,
      ({ keepFor }) => {
        keepFor(500)
        return 1
      },
      EXACT,
    ),
  )
  const unkept = cacheKey('unkept')
  await rig.finish(
    cache.getOrSet(unkept, ({ doNotKeep }) => {
      doNotKeep()
      return 1
    }),
  )
  await rig.settle()
  expect(await rig.finish(cache.getMany([key, unkept]))).toEqual([1, undefined])
  await rig.clock.advance(501)
  expect(await rig.finish(cache.get(key))).toBeUndefined()
})

test('a load that does not end is aborted and rejected at its limit, and its key can be loaded again', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start({ errorBackoffMs: 0 })
  const loader = new GatedLoader(() => 'value')
  const read = cache.getOrSet(key, loader.load, { loadTimeoutMs: 100 })
  await expect(rig.finish(read)).rejects.toMatchObject({ code: 'load_timeout', retryable: true })
  expect(loader.signals[0]?.aborted).toBe(true)
  expect(await rig.finish(cache.getOrSet(key, () => 'other'))).toBe('other')
})

test('a caller who goes away stops waiting; the load is aborted only when the last has gone', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  const loader = new GatedLoader(() => 'value')
  const [one, two] = [new AbortController(), new AbortController()]
  const reads = [one, two].map(({ signal }) => cache.getOrSet(key, loader.load, { signal }))
  const settled = Promise.allSettled(reads)
  await rig.settle()
  one.abort(new Error('client gone'))
  await expect(rig.finish(reads[0] ?? Promise.reject(new Error('no read')))).rejects.toThrow('client gone')
  expect(loader.signals[0]?.aborted).toBe(false)
  two.abort(new Error('client gone too'))
  await rig.finish(settled)
  expect(loader.signals[0]?.aborted).toBe(true)
  // That says nothing about the source: the next caller loads at once.
  const next = cache.getOrSet(key, loader.load)
  await rig.settle()
  loader.release(1)
  expect(await rig.finish(next)).toBe('value')
})

test('a caller who has gone before it asked is told so, and one without a signal keeps the load alive', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  const loader = new GatedLoader(() => 'value')
  const staying = cache.getOrSet(key, loader.load)
  await rig.settle()
  await expect(
    rig.finish(cache.getOrSet(key, loader.load, { signal: AbortSignal.abort(new Error('gone')) })),
  ).rejects.toThrow('gone')
  loader.release(0)
  expect(await rig.finish(staying)).toBe('value')
})

test('what is asked for in one turn is one command, each key once, and no more than 64 to a command', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  const reads = (): number => rig.redis.log.filter((operation) => operation === 'read').length
  const keys = Array.from({ length: 60 }, (_, index) => cacheKey('many', index))
  await rig.finish(Promise.all([cache.getMany(keys), cache.getMany(keys), cache.get(keys[0] ?? key)]))
  expect(reads()).toBe(1)
  const more = Array.from({ length: 130 }, (_, index) => cacheKey('more', index))
  await rig.finish(cache.getMany(more))
  expect(reads()).toBe(4)
})

test('many values are written and read together; undefined writes nothing', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  const keys = ['a', 'b', 'c'].map((name) => cacheKey(name))
  const entries = keys.map((one, index) => ({ key: one, value: index }))
  expect(await rig.finish(cache.setMany(entries, EXACT))).toBe(true)
  expect(await rig.finish(cache.getMany([...keys, key]))).toEqual([0, 1, 2, undefined])
  expect(await rig.finish(cache.set(key, undefined))).toBe(false)
  expect(await rig.finish(cache.setMany([]))).toBe(true)
  await expect(cache.set(key, 1, { ttlMs: 0 })).rejects.toThrow(/ttlMs/)
})

test('a value that cannot be written is returned to its caller, and reported instead of kept', async () => {
  const rig = new CacheRig()
  const { cache, reports } = await rig.start()
  const value = { id: Symbol('s') }
  expect(await rig.finish(cache.getOrSet(key, () => value))).toBe(value)
  await rig.settle()
  expect(reports).toHaveLength(1)
  expect(reports[0]).toContain('write-back')
  expect(await rig.finish(cache.set(key, value))).toBe(false)
  expect(await rig.finish(cache.get(key))).toBeUndefined()
})

/** An entry whose checksum is right, and which is none: of more tags than it has bytes for, or with a body of noise. */
function lying({ tags = 0, body = 0xc0 }: { readonly tags?: number; readonly body?: number }): Buffer {
  const bytes = Buffer.alloc(48, body)
  bytes.set([0x48, 2, 0, tags])
  bytes.writeDoubleLE(Infinity, 16)
  bytes.writeDoubleLE(Infinity, 24)
  return Buffer.concat([bytes, Buffer.from(new Uint32Array([crc32(bytes)]).buffer)])
}

test('bytes in Redis that are no entry are a miss that is counted, and are overwritten', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  await rig.finish(cache.getOrSet(key, () => 'value'))
  await rig.settle()
  const entry = rig.redis.entries.get(key)
  const torn = Buffer.from(entry?.value ?? [])
  torn[torn.length - 1]! ^= 1
  for (const bytes of [
    torn,
    Buffer.from('of somebody else'),
    Buffer.alloc(0),
    lying({ tags: 255 }),
    lying({ body: 1 }),
  ]) {
    rig.redis.entries.set(key, { value: bytes, endsAt: Infinity })
    rig.redis.written({ keys: [key], tags: [], everything: false })
    await rig.settle()
    expect(await rig.finish(cache.getOrSet(key, () => 'again'))).toBe('again')
    await rig.settle()
  }
  expect(cache.stats().corrupted).toBe(5)
  expect(await rig.finish(cache.getOrSet(key, () => 'not called'))).toBe('again')
})

test('a function is cached under its name and its arguments', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  let calls = 0
  const square = cache.cached((base: number) => (calls += 1) && base ** 2, { name: 'square', ttlMs: 1_000 })
  expect(await rig.finish(Promise.all([square(3), square(3), square(4)]))).toEqual([9, 9, 16])
  await rig.settle()
  expect(await rig.finish(square(3))).toBe(9)
  expect(calls).toBe(2)
})

test('peek sees what is in memory, at once and without asking anybody', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  await rig.finish(cache.set(key, 'value', { ...EXACT, ttlMs: 1_000 }))
  expect(cache.peek(key)).toBeUndefined()
  await rig.finish(cache.get(key))
  expect(cache.peek(key)).toBe('value')
  await rig.clock.advance(900)
  expect(cache.peek(key)).toBe('value')
  await rig.clock.advance(101)
  expect(cache.peek(key)).toBeUndefined()
})

test('a cache without Redis keeps values in memory, and ends them by key, by tag and by pattern', async () => {
  const { startCache } = await import('./start-cache.ts')
  await using cache = await startCache({ namespace: 'alone' })
  let loads = 0
  const read = (): Promise<number> => cache.getOrSet(key, () => (loads += 1), { tags: ['t'] })
  const steps = [
    () => cache.delete(key),
    () => cache.delete([key]),
    () => cache.invalidateTags(['t']),
    () => cache.deletePattern('*'),
    () => cache.set(key, (loads += 1), { tags: ['t'] }),
  ]
  for (const step of steps) {
    expect(await read()).toBe(loads)
    await cache.idle()
    const before = loads
    expect(await read()).toBe(before)
    expect(cache.peek(key)).toBe(before)
    expect(await cache.get(key)).toBe(before)
    await step()
  }
  expect(await cache.health()).toMatchObject({ status: 'healthy' })
})

test('one hit in memory of 1,024 is timed, and a cache that counts no hits counts none', async () => {
  const { startCache } = await import('./start-cache.ts')
  for (const [statistics, hits, timed] of [
    [true, 3_000, 2],
    [false, 0, 0],
  ] as const) {
    await using cache = await startCache({ namespace: 'counted', statistics })
    await cache.getOrSet(key, () => 'value')
    await cache.idle()
    for (let read = 0; read < 3_000; read += 1) await cache.getOrSet(key, () => 'never')
    expect(cache.stats()).toMatchObject({ memoryHits: hits, memory: { entries: 1 } })
    expect(cache.stats().latency.memoryGet.count).toBe(timed)
  }
})
