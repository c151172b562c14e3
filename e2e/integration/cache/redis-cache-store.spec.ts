import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { resolveCacheOptions } from '#optimizations/cache/cache-options.ts'
import { createRedisRemote } from '#optimizations/cache/redis/create-remote.ts'
import { systemClock } from '#optimizations/kernel/clock.ts'
import { systemRandom } from '#optimizations/kernel/random.ts'
import { describeCacheStore, type StoreUnderTest } from '#fixtures/doubles/cache-store.contract.ts'
import { describeInvalidationBus } from '#fixtures/doubles/invalidation-bus.contract.ts'
import { leaseRedis } from '#fixtures/services/broker/broker-client.ts'
import { test } from '#fixtures/test.ts'

/** One Redis for all tests of a worker: each has a namespace of its own. */
let leased: ReturnType<typeof leaseRedis> | undefined

test.afterAll(async () => {
  const lease = await leased
  // A worker may get tests of this file a second time.
  leased = undefined
  await lease?.[Symbol.asyncDispose]()
})

async function start(): Promise<StoreUnderTest> {
  leased ??= leaseRedis()
  const { url } = await leased
  // The commands of a busy test machine may be slow; that is not what is tested here.
  const options = resolveCacheOptions({ namespace: randomUUID(), commandTimeoutMs: 5_000 })
  const kept = new AsyncDisposableStack()
  return {
    connect: async () => {
      const remote = createRedisRemote(url, options, { clock: systemClock, random: systemRandom })
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
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

describeCacheStore('in Redis', start)
describeInvalidationBus('in Redis', start)
