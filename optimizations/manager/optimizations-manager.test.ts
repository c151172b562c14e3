import { expect, test } from '@playwright/test'
import { createManager, createManagerParts, HEALTHY } from '#fixtures/doubles/manager-parts.ts'
import type { Cache } from '#optimizations/cache/cache.ts'
import { cacheKey } from '#optimizations/cache/cache-key.ts'

const never = (): Promise<never> => new Promise(() => {})
const refuse = (message: string) => (): Promise<never> => Promise.reject(new Error(message))

test('three that start and answer are a completed start, with a time for each', async () => {
  const { manager } = createManager(createManagerParts())
  const report = await manager.start()
  expect(report).toMatchObject({ status: 'completed', successfulServices: 3, degradedServices: 0, failedServices: 0 })
  expect(report.services.cache).toMatchObject({ status: 'initialized', error: null, attempts: 1 })
  expect(report.services.pusher.durationMs).toBeGreaterThanOrEqual(0)
  expect(Date.parse(report.initializationTime ?? '')).toBeGreaterThan(0)
  await manager.stop()
})

test('none waits for another to start', async () => {
  const { starters, ...all } = createManagerParts()
  const begun = new Set<string>()
  const { promise: allBegun, resolve } = Promise.withResolvers<void>()
  const together = async (name: string): Promise<void> => {
    if (begun.add(name).size === 3) resolve()
    await allBegun
  }
  const { manager } = createManager({
    starters: {
      cache: () => together('cache').then(starters.cache),
      database: () => together('database').then(starters.database),
      publisher: (outbox) => together('pusher').then(() => starters.publisher(outbox)),
    },
  })
  expect((await manager.start()).status).toBe('completed')
  expect(manager.cache).toBe(all.cache)
  expect(manager.publisher).toBe(all.publisher)
  await manager.stop()
})

test('two starts at once are one start, and a later one is the same', async () => {
  const { starters } = createManagerParts()
  let started = 0
  const { manager } = createManager({
    starters: {
      ...starters,
      database: () => {
        started += 1
        return starters.database()
      },
    },
  })
  const [first, second] = await Promise.all([manager.start(), manager.start()])
  expect(second).toEqual(first)
  expect((await manager.start()).initializationTime).toBe(first.initializationTime)
  expect(started).toBe(1)
  await manager.stop()
})

test('the publisher gets an outbox that waits for the database', async () => {
  const { starters } = createManagerParts()
  const { promise: databaseMay, resolve: letDatabaseStart } = Promise.withResolvers<void>()
  let claimed: unknown = 'nothing yet'
  const { manager } = createManager({
    starters: {
      ...starters,
      database: () => databaseMay.then(starters.database),
      publisher: async (outbox) => {
        void outbox?.claim(1, 1_000).then((events) => (claimed = events))
        letDatabaseStart()
        return starters.publisher(outbox)
      },
    },
  })
  await manager.start()
  await expect.poll(() => claimed).toEqual([])
  await manager.stop()
})

for (const [what, broken] of [
  ['rejects', refuse('no Redis here')],
  ['hangs', never],
] as const) {
  test(`a cache whose start ${what} makes a partial start, and reads go to the loader`, async () => {
    const { starters } = createManagerParts()
    const { manager } = createManager({ starters: { ...starters, cache: broken }, startTimeoutMs: 30 })
    const report = await manager.start()
    expect(report).toMatchObject({ status: 'partial', successfulServices: 2, failedServices: 1 })
    expect(report.services.cache.status).toBe('failed')
    expect(report.services.cache.error).toMatch(/no Redis here|did not finish within 30 ms/)
    expect(await manager.cache.getOrSet(cacheKey('lesson', 1), () => 'loaded')).toBe('loaded')
    const health = await manager.health()
    expect(health.status).toBe('degraded')
    expect(health.reasons[0]).toContain('cache: not started')
    await manager.stop()
  })
}

test('a service that starts and does not answer is degraded until it does', async () => {
  const { starters, cache } = createManagerParts()
  let isBack = false
  const shaky: Cache = {
    ...cache,
    health: async () => (isBack ? HEALTHY : { status: 'degraded', reasons: ['Redis does not answer'] }),
  }
  const { manager } = createManager({ starters: { ...starters, cache: async () => shaky } })
  const report = await manager.start()
  expect(report).toMatchObject({ status: 'partial', successfulServices: 2, degradedServices: 1 })
  expect(report.services.cache).toMatchObject({ status: 'degraded', error: 'Redis does not answer' })
  isBack = true
  await expect.poll(() => manager.status().status).toBe('completed')
  await manager.stop()
})

test('a failed part is tried again until it starts, and what was invalidated meanwhile is invalidated first', async () => {
  const { starters, seen, publisher } = createManagerParts()
  let attempts = 0
  let mayStart = false
  const { manager } = createManager({
    starters: {
      ...starters,
      cache: async () => {
        attempts += 1
        if (!mayStart) throw new Error('not yet')
        return starters.cache()
      },
    },
  })
  await manager.start()
  await manager.transaction(async (unit) => unit.invalidate('lesson:1'))
  expect(seen).not.toContain('invalidate lesson:1')
  await expect.poll(() => attempts).toBeGreaterThan(2)
  mayStart = true
  await expect.poll(() => manager.status().status).toBe('completed')
  expect(seen).toContain('invalidate lesson:1')
  expect((await manager.health()).status).toBe('healthy')
  expect(manager.publisher).toBe(publisher)
  await manager.stop()
})

test('a start that comes too late is taken and not repeated', async () => {
  const { starters } = createManagerParts()
  const { promise: late, resolve: comeLate } = Promise.withResolvers<void>()
  let attempts = 0
  const { manager } = createManager({
    startTimeoutMs: 20,
    starters: {
      ...starters,
      publisher: async (outbox) => {
        attempts += 1
        await late
        return starters.publisher(outbox)
      },
    },
  })
  expect((await manager.start()).services.pusher.status).toBe('failed')
  await expect(manager.publisher.publish('c', 'e', {})).rejects.toMatchObject({ code: 'pusher_unreachable' })
  comeLate()
  await expect.poll(() => manager.status().status).toBe('completed')
  expect(attempts).toBe(1)
  expect((await manager.publisher.health()).status).toBe('healthy')
  await manager.stop()
})

test('without the database the start has failed, says why, and leaves nothing running', async () => {
  const { starters, seen } = createManagerParts()
  const { manager } = createManager({ starters: { ...starters, database: refuse('no PostgreSQL here') } })
  const report = await manager.start()
  expect(report).toMatchObject({ status: 'failed', failedServices: 1 })
  expect(report.services.database).toMatchObject({ status: 'failed', error: 'no PostgreSQL here' })
  expect(manager.failure).toMatchObject({ message: 'no PostgreSQL here' })
  expect(seen.toSorted()).toEqual(['cache stopped', 'publisher stopped'])
  expect(() => manager.database).toThrow('not started')
  await manager.stop()
})

test('what starts after the database has failed is stopped as soon as it is there', async () => {
  const { starters, seen } = createManagerParts()
  const { promise: late, resolve: comeLate } = Promise.withResolvers<void>()
  const { manager, faults } = createManager({
    starters: { ...starters, database: refuse('no'), cache: () => late.then(starters.cache) },
  })
  await manager.start()
  expect(seen).toEqual(['publisher stopped'])
  comeLate()
  await expect.poll(() => seen).toEqual(['publisher stopped', 'cache stopped'])
  expect(faults).toEqual([])
  await manager.stop()
})

test('after a failed start the next one begins anew', async () => {
  const { starters } = createManagerParts()
  let isThere = false
  const { manager } = createManager({
    starters: { ...starters, database: () => (isThere ? starters.database() : Promise.reject(new Error('no'))) },
  })
  expect((await manager.start()).status).toBe('failed')
  isThere = true
  expect((await manager.start()).status).toBe('completed')
  expect(manager.failure).toBeUndefined()
  await manager.stop()
})

test('nothing can be used before the start, and nothing started after the stop', async () => {
  const { manager } = createManager(createManagerParts())
  expect(manager.status()).toMatchObject({ status: null, initializationTime: null })
  expect(() => manager.cache).toThrow('not started')
  expect(() => manager.publisher).toThrow('not started')
  expect((await manager.stop()).status).toBe('completed')
  await expect(manager.start()).rejects.toMatchObject({ code: 'stopped' })
})

test('the stop goes from the publisher to the database, once, however often it is asked for', async () => {
  const { starters, seen } = createManagerParts()
  const { manager } = createManager({ starters })
  await manager.start()
  const [report] = await Promise.all([manager.stop(), manager.stop()])
  expect(seen).toEqual(['publisher stopped', 'cache stopped', 'database stopped'])
  expect(report).toMatchObject({ status: 'completed', abandonedEvents: 0 })
  expect(report.services.database).toMatchObject({ status: 'stopped', error: null })
})

test('`await using` stops at the end of the block', async () => {
  const { starters, seen } = createManagerParts()
  {
    await using manager = createManager({ starters }).manager
    await manager.start()
  }
  expect(seen).toEqual(['publisher stopped', 'cache stopped', 'database stopped'])
})

test('a part that hangs at the stop does not keep the others from stopping, and is told of', async () => {
  const { starters, cache, seen } = createManagerParts()
  const { manager } = createManager({ starters: { ...starters, cache: async () => ({ ...cache, stop: never }) } })
  await manager.start()
  const report = await manager.stop(100)
  expect(report.status).toBe('partial')
  expect(report.services.cache.status).toBe('failed')
  expect(report.services.cache.error).toContain('did not finish')
  expect(seen).toEqual(['publisher stopped', 'database stopped'])
})

test('events that were given up at the stop make it a partial one', async () => {
  const { starters, publisher } = createManagerParts()
  const abandoning = Object.assign(publisher, { stop: async () => ({ delivered: 0, abandoned: 2 }) })
  const { manager } = createManager({ starters: { ...starters, publisher: async () => abandoning } })
  await manager.start()
  expect(await manager.stop()).toMatchObject({ status: 'partial', abandonedEvents: 2 })
})

test('a stop in the middle of a start lets nothing run on', async () => {
  const { starters, seen } = createManagerParts()
  const { promise: late, resolve: comeLate } = Promise.withResolvers<void>()
  const { manager } = createManager({ starters: { ...starters, cache: () => late.then(starters.cache) } })
  const starting = manager.start()
  const stopping = manager.stop(50)
  comeLate()
  expect((await stopping).status).toBe('completed')
  await starting
  await expect.poll(() => seen.toSorted()).toEqual(['cache stopped', 'database stopped', 'publisher stopped'])
})

for (const [mode, optimizePusher, expected] of [
  ['through the outbox', true, ['outbox lesson.updated', 'invalidate lesson:1']],
  ['by the plain publisher after the commit', false, ['invalidate lesson:1', 'published lesson.updated']],
] as const) {
  test(`events of a transaction go ${mode} when the publisher is ${optimizePusher ? '' : 'not '}optimized`, async () => {
    const { starters, seen } = createManagerParts()
    const { manager } = createManager({ starters, optimizePusher })
    await manager.start()
    await manager.transaction(async (unit) => {
      unit.invalidate('lesson:1')
      await unit.publish('private-class-1', 'lesson.updated', {})
    })
    expect(seen).toEqual(expected)
    await manager.stop()
  })
}
