import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { resolveCacheOptions } from '#optimizations/cache/cache-options.ts'
import { createRedisRemote } from '#optimizations/cache/redis/create-remote.ts'
import { systemClock } from '#optimizations/kernel/clock.ts'
import { systemRandom } from '#optimizations/kernel/random.ts'
import { describeCacheStore, type StoreUnderTest } from '#fixtures/doubles/cache-store.contract.ts'
import { describeInvalidationBus } from '#fixtures/doubles/invalidation-bus.contract.ts'
import { createRedisUser } from '#fixtures/guides/redis-user.ts'
import { leaseRedis } from '#fixtures/services/broker/broker-client.ts'
import { expect, test } from '#fixtures/test.ts'

/** One Redis for all tests of a worker: each has a namespace of its own. */
let leased: ReturnType<typeof leaseRedis> | undefined

test.afterAll(async () => {
  const lease = await leased
  // A worker may get tests of this file a second time.
  leased = undefined
  await lease?.[Symbol.asyncDispose]()
})

/** As a user who may everything, or as the one of docs/use-in-your-app.md. */
async function start(isRestricted = false): Promise<StoreUnderTest> {
  leased ??= leaseRedis()
  const { url } = await leased
  const namespace = `n${randomUUID()}`
  // The commands of a busy test machine may be slow; that is not what is tested here.
  const options = resolveCacheOptions({ namespace, commandTimeoutMs: 5_000 })
  const kept = new AsyncDisposableStack()
  const user = isRestricted ? kept.use(await createRedisUser(url, namespace)) : undefined
  return {
    connect: async () => {
      const remote = createRedisRemote(user?.url ?? url, options, { clock: systemClock, random: systemRandom })
      kept.defer(() => remote.store.stop())
      await remote.connect()
      return {
        ...remote,
        createBus: (member) => {
          const bus = remote.createBus(member)
          kept.defer(() => bus.stop())
          return bus
        },
      }
    },
    flush: async () => {
      const redis = new Redis(url)
      await redis.flushdb()
      redis.disconnect()
    },
    [Symbol.asyncDispose]: async () => {
      const denials = (await user?.denials()) ?? []
      await kept.disposeAsync()
      expect(denials).toEqual([])
    },
  }
}

const AS_THE_USER = 'in Redis, as the user of docs/use-in-your-app.md'

describeCacheStore('in Redis', () => start())
describeInvalidationBus('in Redis', () => start())
describeCacheStore(AS_THE_USER, () => start(true))
describeInvalidationBus(AS_THE_USER, () => start(true))

test('as the user of docs/use-in-your-app.md, a connection that takes the place of another one may end that', async () => {
  await using server = await start(true)
  const { store } = await server.connect()
  await store.ping()
  const { url } = await (leased ?? leaseRedis())
  const admin = new Redis(url)
  await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  admin.disconnect()
  await expect.poll(() => store.ping().then(String, () => 'refused')).not.toBe('refused')
})
