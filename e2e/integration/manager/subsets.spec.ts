import { cacheKey } from '#optimizations/cache/cache-key.ts'
import { startOptimizations } from '#optimizations/manager/start-optimizations.ts'
import { libraryEntities, Tag } from '#fixtures/data/library.ts'
import { connectRealtimeClient } from '#fixtures/playwright/realtime-client.ts'
import { expect, test } from '#fixtures/test.ts'

const deps = { onError: () => undefined }
const ID = '00000000-0000-4000-8000-000000000001'

test('the cache alone starts, keeps, is healthy and stops, and what is not there is named', async ({ redis }) => {
  await using alone = await startOptimizations({ cache: { url: redis.url, namespace: 'alone' } }, deps)
  expect(alone.status()).toMatchObject({ status: 'completed', successfulServices: 1 })
  const key = cacheKey('kept', 1)
  expect(await alone.cache.getOrSet(key, () => 'first')).toBe('first')
  expect(await alone.cache.getOrSet(key, () => 'second')).toBe('first')
  expect(await alone.health()).toMatchObject({ status: 'healthy', services: { cache: { status: 'healthy' } } })
  for (const services of [alone.status().services, (await alone.health()).services]) {
    expect(Object.keys(services)).toEqual(['cache'])
  }
  expect(Object.keys(alone.metrics())).not.toContain('database')
  expect(await alone.prometheus()).not.toMatch(/service="(database|pusher)"|hotpath_(pusher|database)_/)
  // JavaScript has no types to keep it from asking.
  const all: object = alone
  for (const part of ['database', 'publisher']) {
    expect(() => Reflect.get(all, part)).toThrow(expect.objectContaining({ code: 'not_configured' }))
  }
  expect(Object.keys((await alone.stop()).services)).toEqual(['cache'])
})

test('the database alone needs no outbox, and a unit of work has nothing but its entity manager to offer', async ({
  postgres,
}) => {
  await postgres.reset()
  const database = { url: postgres.url, entities: libraryEntities, pool: { size: 2 } }
  await using alone = await startOptimizations({ database }, deps)
  await alone.database.orm.schema.create()
  await alone.transaction(async ({ em }) => void em.persist(em.create(Tag, { id: ID, name: 'kept' })))
  expect((await alone.database.findByPrimaryKey(alone.database.fork(), Tag, ID))?.name).toBe('kept')
  const publishing = alone.transaction(async (unit) => {
    const publish = Reflect.get(unit, 'publish') as (channel: string, event: string) => Promise<void>
    await publish('channel', 'event')
  })
  await expect(publishing).rejects.toMatchObject({ code: 'not_configured' })
  expect((await alone.health()).status).toBe('healthy')
})

test('the publisher alone delivers what it is given, without an outbox', async ({ pusher }) => {
  const { appId, key, secret, host, port, useTls } = pusher
  await using alone = await startOptimizations({ pusher: { app: { appId, key, secret, host, port, useTls } } }, deps)
  await using subscriber = await connectRealtimeClient({ pusher, authUrl: 'http://127.0.0.1:9', token: '' })
  await subscriber.subscribe('alone')
  await alone.publisher.publish('alone', 'said', { by: 'the publisher' })
  await expect.poll(() => subscriber.received.length).toBe(1)
  expect((await alone.health()).status).toBe('healthy')
  expect(await alone.stop()).toMatchObject({ status: 'completed', abandonedEvents: 0 })
})

test('cache and publisher start without a database', async ({ redis, pusher }) => {
  const { appId, key, secret, host, port, useTls } = pusher
  await using both = await startOptimizations(
    {
      cache: { url: redis.url, namespace: 'both' },
      pusher: { app: { appId, key, secret, host, port, useTls } },
      optimize: { pusher: true },
    },
    deps,
  )
  expect(both.status()).toMatchObject({ status: 'completed', successfulServices: 2 })
  expect(both.metrics().optimizationEnabled).toEqual({ cache: true, pusher: true })
})

test('with a publisher the table of the outbox is missed at the start, by name', async ({ postgres, pusher }) => {
  await postgres.reset()
  const { appId, key, secret, host, port, useTls } = pusher
  const database = { url: postgres.url, entities: libraryEntities, pool: { size: 2 } }
  const options = { database, pusher: { app: { appId, key, secret, host, port, useTls } } }
  await expect(startOptimizations(options, deps)).rejects.toMatchObject({
    code: 'outbox_missing',
    message: expect.stringContaining('hotpath_outbox'),
  })
  // The baseline of the publisher has no outbox.
  await using baseline = await startOptimizations({ ...options, optimize: { pusher: false } }, deps)
  expect(baseline.status().status).toBe('completed')
})
