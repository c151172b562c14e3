import { cacheKey } from '#optimizations/cache/cache-key.ts'
import { startOptimizations, createOptimizations } from '#optimizations/manager/start-optimizations.ts'
import type { Leased } from '#fixtures/services/broker/broker-client.ts'
import type { DatabaseLease, PusherLease } from '#fixtures/services/broker/lease.ts'
import { connectRealtimeClient } from '#fixtures/playwright/realtime-client.ts'
import { expect, test } from '#fixtures/test.ts'
import { entities } from '#server/entities/entities.ts'
import { migrate } from '#server/migrations/migrate.ts'

interface Addresses {
  readonly seededDatabase: Leased<DatabaseLease>
  readonly pusher: Pick<Leased<PusherLease>, 'appId' | 'key' | 'secret' | 'host' | 'port' | 'useTls'>
  readonly redisUrl: string
}

function optionsFor({ seededDatabase, pusher, redisUrl }: Addresses) {
  const { appId, key, secret, host, port, useTls } = pusher
  return {
    cache: { url: redisUrl, namespace: 'manager-start' },
    database: { url: seededDatabase.url, entities, pool: { size: 5 } },
    pusher: { app: { appId, key, secret, host, port, useTls } },
    optimize: { cache: true, database: true, pusher: true },
  }
}
const quiet = { onError: () => undefined }

test('with all services there the start is completed, and says how long each took', async ({
  seededDatabase,
  redis,
  pusher,
}) => {
  await using optimizations = await startOptimizations(
    optionsFor({ seededDatabase, pusher, redisUrl: redis.url }),
    quiet,
  )
  const { status, services } = optimizations.status()
  expect(status, JSON.stringify(services)).toBe('completed')
  for (const { status: state, attempts } of Object.values(services)) {
    expect({ state, attempts }).toEqual({ state: 'initialized', attempts: 1 })
  }
  expect((await optimizations.health()).status).toBe('healthy')
})

test('without Redis the start is partial and says so; when Redis comes, it is completed without a hand', async ({
  seededDatabase,
  pusher,
  ownServices,
}) => {
  await using redis = await ownServices.redis()
  await redis.process.kill()
  await using optimizations = await startOptimizations(
    optionsFor({ seededDatabase, pusher, redisUrl: redis.url }),
    quiet,
  )
  expect(optimizations.status()).toMatchObject({ status: 'partial', services: { cache: { status: 'degraded' } } })
  expect(optimizations.status().services.cache.error).toMatch(/\w/)
  expect(await optimizations.cache.getOrSet(cacheKey('any', 1), () => 'loaded')).toBe('loaded')
  expect((await optimizations.health()).status).toBe('degraded')
  await redis.process.restart()
  await expect.poll(() => optimizations.status().status, { timeout: 20_000 }).toBe('completed')
  expect((await optimizations.health()).services.cache.status).toBe('healthy')
})

test('a Redis that accepts connections and never answers does not keep the start waiting', async ({
  seededDatabase,
  pusher,
  ownServices,
}) => {
  await using redis = await ownServices.redis()
  await redis.process.freeze()
  await using optimizations = await startOptimizations(
    {
      ...optionsFor({ seededDatabase, pusher, redisUrl: redis.url }),
      startTimeoutMs: { cache: 1_500, database: 15_000, pusher: 5_000 },
    },
    quiet,
  )
  expect(optimizations.status()).toMatchObject({ status: 'partial', services: { cache: { status: 'failed' } } })
  expect(await optimizations.cache.getOrSet(cacheKey('any', 1), () => 'loaded')).toBe('loaded')
  await redis.process.thaw()
  await expect.poll(() => optimizations.status().status, { timeout: 20_000 }).toBe('completed')
})

test('without Pusher the start is partial; when Pusher comes, what waited in the outbox is delivered', async ({
  postgres,
  redis,
  ownServices,
}) => {
  // Not the seeded database: a server of another spec may be at work on its outbox.
  await postgres.reset()
  await migrate(postgres.url)
  await using service = await ownServices.pusher()
  const [app] = service.apps
  const address = { ...service.address, ...app } as Addresses['pusher']
  await service.process.kill()
  await using optimizations = await startOptimizations(
    optionsFor({ seededDatabase: postgres, pusher: address, redisUrl: redis.url }),
    quiet,
  )
  expect(optimizations.status()).toMatchObject({ status: 'partial', services: { pusher: { status: 'degraded' } } })
  await optimizations.transaction((unit) => unit.publish('waiting-room', 'called', { number: 7 }))
  await service.process.restart()
  await using subscriber = await connectRealtimeClient({ pusher: address, authUrl: 'http://127.0.0.1:9', token: '' })
  await subscriber.subscribe('waiting-room')
  await expect.poll(() => optimizations.status().status, { timeout: 20_000 }).toBe('completed')
  await optimizations.transaction((unit) => unit.publish('waiting-room', 'called', { number: 8 }))
  // The first may have gone out before anybody listened; the second cannot overtake it.
  await expect.poll(() => subscriber.received.at(-1)?.data, { timeout: 20_000 }).toMatchObject({ number: 8 })
  expect((await optimizations.database.outbox.depth()).waiting).toBe(0)
})

test('without PostgreSQL the start fails with an error that names its address, and may be tried again', async ({
  seededDatabase,
  redis,
  pusher,
}) => {
  const options = optionsFor({ seededDatabase, pusher, redisUrl: redis.url })
  const nowhere = { ...options, database: { ...options.database, url: 'postgresql://app:secret@127.0.0.1:9/school' } }
  await expect(startOptimizations(nowhere, quiet)).rejects.toMatchObject({
    code: 'database_unreachable',
    message: expect.stringContaining('127.0.0.1:9'),
  })
  const manager = createOptimizations(nowhere, quiet)
  expect((await manager.start()).status).toBe('failed')
  expect((await manager.start()).services.database).toMatchObject({ status: 'failed' })
  await manager.stop()
})

test('the stop delivers what is queued before it closes anything', async ({ seededDatabase, redis, pusher }) => {
  const optimizations = await startOptimizations(optionsFor({ seededDatabase, pusher, redisUrl: redis.url }), quiet)
  await using subscriber = await connectRealtimeClient({ pusher, authUrl: 'http://127.0.0.1:9', token: '' })
  await subscriber.subscribe('last-words')
  for (let word = 0; word < 30; word += 1) await optimizations.publisher.publish('last-words', 'word', { word })
  const report = await optimizations.stop()
  expect(report).toMatchObject({ status: 'completed', abandonedEvents: 0 })
  await expect.poll(() => subscriber.received.length).toBe(30)
  expect(subscriber.received.map(({ data }) => (data as { word: number }).word)).toEqual([...Array(30).keys()])
})

test('with every optimization off the baselines stand behind the same interface', async ({
  seededDatabase,
  redis,
  pusher,
}) => {
  await using optimizations = await startOptimizations(
    {
      ...optionsFor({ seededDatabase, pusher, redisUrl: redis.url }),
      optimize: { cache: false, database: false, pusher: false },
    },
    quiet,
  )
  await using subscriber = await connectRealtimeClient({ pusher, authUrl: 'http://127.0.0.1:9', token: '' })
  await subscriber.subscribe('baseline')
  await optimizations.transaction((unit) => unit.publish('baseline', 'said', { at: 'once' }))
  await expect.poll(() => subscriber.received.length).toBe(1)
  expect(optimizations.metrics().optimizationEnabled).toEqual({ cache: false, database: false, pusher: false })
  expect(await optimizations.prometheus()).toContain('hotpath_optimization_enabled{service="cache"} 0')
})
