import { randomUUID } from 'node:crypto'
import { resolveCacheOptions } from '#optimizations/cache/cache-options.ts'
import { RedisBus } from '#optimizations/cache/redis/redis-bus.ts'
import { createBusClient, createDataClient } from '#optimizations/cache/redis/redis-connection.ts'
import { RedisKeys } from '#optimizations/cache/redis/redis-keys.ts'
import { parseRedisUrl } from '#optimizations/cache/redis/redis-target.ts'
import { systemClock } from '#optimizations/kernel/clock.ts'
import { systemRandom } from '#optimizations/kernel/random.ts'
import { startFaultProxy } from '#fixtures/services/proxy/fault-proxy.ts'
import { expect, test } from '#fixtures/test.ts'

test('a connection for invalidations that has fallen silent counts as lost, though Redis answers on the other one', async ({
  redis,
}) => {
  await using proxy = await startFaultProxy(redis.url)
  const options = resolveCacheOptions({ namespace: randomUUID(), commandTimeoutMs: 5_000 })
  const direct = parseRedisUrl(redis.url)
  const proxied = parseRedisUrl(proxy.through(redis.url))
  const data = createDataClient(direct, options, systemRandom)
  await data.connect()
  const bus = new RedisBus(
    {
      data,
      keys: new RedisKeys(options.namespace, direct.database),
      clock: systemClock,
      connect: (attempt) => createBusClient(proxied, options, attempt),
    },
    { member: 'a', memoryLeaseMs: 1_000, markerTimeoutMs: 500, usesTracking: true },
  )
  const ignored = (): void => undefined
  const losses: string[] = []
  await bus.listen({
    announced: ignored,
    acknowledged: ignored,
    written: ignored,
    lost: (reason) => losses.push(reason),
  })
  await bus.renew()
  await using _silence = await proxy.inject({ kind: 'drop', direction: 'toClient' })
  await expect(bus.renew()).rejects.toThrow()
  expect(losses).toEqual(['the invalidation connection is silent'])
  expect(bus.isListening).toBe(false)
  await bus.stop()
  data.disconnect()
})
