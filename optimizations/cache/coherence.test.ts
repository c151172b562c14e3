import { expect, test } from '@playwright/test'
import { CacheRig, GatedLoader, type RigProcess } from '#fixtures/doubles/cache-rig.ts'
import { cacheKey } from './cache-key.ts'
import type { Cache, Invalidation } from './cache.ts'

const key = cacheKey('lesson', 1)
const TAGS = { tags: ['class:1', 'lesson:1'] }
const LEASE_MS = 1_000

/** A database with one row, and processes that have its value in memory. */
async function remembering(count: number, options: { readonly tags?: readonly string[] } = TAGS) {
  const rig = new CacheRig()
  const source = { value: 'old' }
  const processes: RigProcess[] = []
  for (let index = 0; index < count; index += 1) processes.push(await rig.start())
  const read = ({ cache }: RigProcess): Promise<string> => rig.finish(cache.getOrSet(key, () => source.value, options))
  for (const round of [1, 2]) {
    for (const process of processes) await read(process)
    await rig.settle()
    if (round === 2) for (const { cache } of processes) expect(cache.peek(key)).toBe('old')
  }
  return { rig, source, read, processes: processes as [RigProcess, RigProcess, ...RigProcess[]] }
}

const WAYS: readonly [string, (cache: Cache) => Promise<Invalidation>][] = [
  ['delete', (cache) => cache.delete(key)],
  ['invalidateTags', (cache) => cache.invalidateTags(['other', 'class:1'])],
  ['deletePattern', (cache) => cache.deletePattern('lesson:*')],
]

for (const [name, invalidate] of WAYS) {
  test(`when ${name} is acknowledged, no process serves the old value from memory`, async () => {
    const { rig, source, read, processes } = await remembering(3)
    source.value = 'new'
    expect(await rig.finish(invalidate(processes[0].cache), 0)).toMatchObject({ acknowledged: true })
    for (const { cache } of processes) expect(cache.peek(key)).toBeUndefined()
    for (const process of processes) expect(await read(process)).toBe('new')
  })

  test(`${name} is not acknowledged while a process has not heard of it, and the process may serve the old value`, async () => {
    const { rig, processes } = await remembering(2)
    const [a, b] = processes
    b.remote.bus!.isHeld = true
    const done = invalidate(a.cache)
    await rig.settle()
    expect(await rig.hasEnded(done)).toBe(false)
    expect(b.cache.peek(key)).toBe('old')
    b.remote.bus!.release()
    await rig.finish(done, 0)
    expect(b.cache.peek(key)).toBeUndefined()
  })

  test(`${name} waits for a process that hears nothing until that has stopped serving from memory, and no longer`, async () => {
    const { rig, processes } = await remembering(2)
    const [a, b] = processes
    b.remote.bus!.isHeld = true
    const begun = rig.clock.monotonic()
    const states: boolean[] = []
    const done = invalidate(a.cache)
    while (!(await rig.hasEnded(done))) {
      states.push(b.cache.peek(key) === 'old')
      await rig.clock.advance(10)
    }
    expect(await done).toMatchObject({ acknowledged: true })
    expect(b.cache.peek(key)).toBeUndefined()
    expect(states[0]).toBe(true)
    expect(states.length).toBeGreaterThan(50)
    expect(rig.clock.monotonic() - begun).toBeLessThanOrEqual(LEASE_MS + 20)
  })

  test(`a load that began before ${name} is neither kept nor shared with those who come after it`, async () => {
    const rig = new CacheRig()
    const [a, b] = [await rig.start(), await rig.start()]
    const source = { value: 'old' }
    const loader = new GatedLoader(() => source.value)
    const before = a.cache.getOrSet(key, loader.load, TAGS)
    await rig.settle()
    source.value = 'new'
    await rig.finish(invalidate(b.cache), 0)
    const after = [a, b].map(({ cache }) => cache.getOrSet(key, loader.load, TAGS))
    await rig.settle()
    loader.release(0)
    expect(await rig.finish(before, 0)).toBe('old')
    await rig.settle()
    expect(a.cache.stats().refusedWriteBacks).toBe(1)
    for (let call = 1; call < loader.calls; call += 1) loader.release(call)
    const finished = rig.finish(Promise.all(after))
    await rig.settle()
    for (let call = 1; call < loader.calls; call += 1) loader.release(call)
    expect(await finished).toEqual(['new', 'new'])
    await rig.settle()
    expect(await rig.finish(b.cache.get(key))).toBe('new')
  })
}

test('an explicit write replaces what every process has in memory before it is acknowledged', async () => {
  const { rig, processes } = await remembering(2)
  const [a, b] = processes
  expect(await rig.finish(a.cache.set(key, 'written', TAGS), 0)).toBe(true)
  expect([a.cache.peek(key), b.cache.peek(key)]).toEqual([undefined, undefined])
  expect(await rig.finish(Promise.all([a, b].map(({ cache }) => cache.get(key))))).toEqual(['written', 'written'])
})

test('an invalidation of another tag ends nothing', async () => {
  const { rig, processes } = await remembering(2)
  await rig.finish(processes[0].cache.invalidateTags(['class:2']), 0)
  for (const { cache } of processes) expect(cache.peek(key)).toBe('old')
})

test("another client's write past the cache is dropped from memory", async () => {
  const { rig, processes } = await remembering(2)
  rig.redis.entries.delete(key)
  rig.redis.written({ keys: [key], tags: [], everything: false })
  await rig.settle()
  for (const { cache } of processes) expect(cache.peek(key)).toBeUndefined()
})

test('invalidations of one turn travel in one announcement', async () => {
  const { rig, processes } = await remembering(2)
  const [a] = processes
  const announced = (): number => rig.redis.log.filter((operation) => operation === 'announce').length
  const before = announced()
  const many = Array.from({ length: 20 }, (_, index) => a.cache.delete(cacheKey('x', index)))
  await rig.finish(Promise.all([...many, a.cache.invalidateTags(['y'])]), 0)
  expect(announced() - before).toBe(1)
})

test('without the connection that invalidations arrive on, memory is empty and is not filled', async () => {
  const { rig, source, read, processes } = await remembering(2)
  const [a, b] = processes
  b.remote.bus!.cut()
  expect(b.cache.peek(key)).toBeUndefined()
  rig.redis.fail('listen', Infinity)
  source.value = 'new'
  await rig.finish(a.cache.delete(key))
  expect(await read(a)).toBe('new')
  await rig.settle()
  for (let times = 0; times < 3; times += 1) expect(await read(b)).toBe('new')
  expect(b.cache.peek(key)).toBeUndefined()
  expect(await rig.finish(b.cache.health())).toMatchObject({
    status: 'degraded',
    reasons: ['Memory is not served: invalidations of other processes do not arrive'],
  })
})

test('memory comes back with the connection, without a restart', async () => {
  const { rig, read, processes } = await remembering(2)
  const [, b] = processes
  b.remote.bus!.cut()
  await rig.clock.advance(LEASE_MS)
  await read(b)
  await rig.settle()
  expect(b.cache.peek(key)).toBe('old')
  expect(await rig.finish(b.cache.health())).toMatchObject({ status: 'healthy', reasons: [] })
})

test('a process that stands still for longer than its lease serves nothing from memory when it goes on', async () => {
  const { rig, processes } = await remembering(1)
  // No timer of the process fires, as after SIGSTOP; the others have stopped waiting for it.
  const before = rig.clock.monotonic()
  rig.clock.monotonic = () => before + LEASE_MS
  await rig.settle()
  expect(processes[0].cache.peek(key)).toBeUndefined()
})

test('while the store is cut off, a load is shared only by those who come soon after its beginning', async () => {
  const rig = new CacheRig()
  const { cache, remote } = await rig.start()
  rig.redis.isDown = true
  remote.bus!.cut()
  // The next heartbeat finds out.
  await rig.clock.advance(LEASE_MS)
  const loader = new GatedLoader(() => 'value')
  const reads = [cache.getOrSet(key, loader.load)]
  await rig.settle()
  await rig.clock.advance(90)
  reads.push(cache.getOrSet(key, loader.load, { refresh: false }))
  await rig.clock.advance(20)
  expect(loader.calls).toBe(1)
  reads.push(cache.getOrSet(key, loader.load))
  await rig.settle()
  expect(loader.calls).toBe(2)
  for (const call of [0, 1]) loader.release(call)
  expect(await rig.finish(Promise.all(reads))).toEqual(['value', 'value', 'value'])
})

test('a cache that is stopped is not waited for, and loads what it is asked for', async () => {
  const { rig, source, read, processes } = await remembering(2)
  const [a, b] = processes
  await rig.finish(b.cache.stop())
  source.value = 'new'
  const begun = rig.clock.monotonic()
  expect(await rig.finish(a.cache.delete(key), 0)).toMatchObject({ acknowledged: true })
  expect(rig.clock.monotonic()).toBe(begun)
  expect(await read(b)).toBe('new')
})

test('the loss of all data in Redis empties memory as well', async () => {
  const { rig, processes } = await remembering(2)
  rig.redis.flush()
  await rig.settle()
  for (const { cache } of processes) expect(cache.peek(key)).toBeUndefined()
})

test('a tag that Redis has forgotten ends the entries that carry it', async () => {
  const { rig, source, read, processes } = await remembering(1)
  rig.redis.tags.delete('class:1')
  rig.redis.written({ keys: [], tags: ['class:1'], everything: false })
  await rig.settle()
  source.value = 'new'
  expect(await read(processes[0])).toBe('new')
})

test('the tags of a read cost one round trip, whatever their number, and none when they are known', async () => {
  const rig = new CacheRig()
  const tags = Array.from({ length: 30 }, (_, index) => `tag ${index}`)
  const [a, b] = [await rig.start(), await rig.start()]
  await rig.finish(a.cache.getOrSet(key, () => 'value', { tags }))
  await rig.settle()
  const asked = (): string[] => rig.redis.log.filter((operation) => operation === 'read' || operation === 'versions')
  const before = asked().length
  await rig.finish(b.cache.get(key))
  expect(asked().slice(before)).toEqual(['read', 'versions'])
  rig.redis.written({ keys: [key], tags: [], everything: false })
  await rig.settle()
  await rig.finish(b.cache.get(key))
  expect(asked().slice(before)).toEqual(['read', 'versions', 'read'])
})
