import { expect, test } from '#fixtures/test.ts'
import { systemClock } from '#optimizations/kernel/clock.ts'
import { systemRandom } from '#optimizations/kernel/random.ts'
import { createPublisherRedis } from '#optimizations/manager/publisher-redis.ts'
import { createRedisRateBudget, type RateBudgetOptions } from '#optimizations/manager/redis-rate-budget.ts'
import type { SharedRateLimit } from '#optimizations/pusher/shared-rate-limit.ts'

const LIMIT = { callsPerSecond: 1, burst: 40 }

interface ConnectedBudget extends SharedRateLimit, AsyncDisposable {}

/** As one process has it: on a connection of its own. */
async function connectBudget(url: string, options: RateBudgetOptions): Promise<ConnectedBudget> {
  const redis = createPublisherRedis({ clock: systemClock, random: systemRandom }, url)
  await redis.start()
  return { ...createRedisRateBudget(redis, options), [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose]() }
}

test('two processes share one budget: the burst once, and then a line in which everybody has a place', async ({
  redis,
}) => {
  const options = { name: 'budget:shared', ...LIMIT }
  await using one = await connectBudget(redis.url, options)
  await using other = await connectBudget(redis.url, options)
  expect([await one.reserve(20), await other.reserve(20)]).toEqual([0, 0])
  const first = await other.reserve(20)
  const second = await one.reserve(20)
  // 20 tokens at one a second take twenty seconds, less what has refilled since. Nobody waits here.
  expect(first).toBeGreaterThan(15_000)
  expect(first).toBeLessThanOrEqual(20_000)
  expect(second - first).toBeGreaterThan(15_000)
  expect(second - first).toBeLessThanOrEqual(20_000)
})

test('what is spare is taken down to what is kept, by whichever process, and a reservation finds the rest', async ({
  redis,
}) => {
  const options = { name: 'budget:spare', ...LIMIT }
  await using one = await connectBudget(redis.url, options)
  await using other = await connectBudget(redis.url, options)
  expect([await one.takeSpare(10, 20), await other.takeSpare(10, 20)]).toEqual([0, 0])
  const refused = [await one.takeSpare(10, 20), await other.takeSpare(10, 20)]
  for (const waitMs of refused) {
    expect(waitMs).toBeGreaterThan(5_000)
    expect(waitMs).toBeLessThanOrEqual(10_000)
  }
  expect(await other.reserve(20)).toBe(0)
  expect(await one.reserve(1)).toBeGreaterThan(0)
})

test('budgets of different names know nothing of each other', async ({ redis }) => {
  await using one = await connectBudget(redis.url, { name: 'budget:a', ...LIMIT })
  await using other = await connectBudget(redis.url, { name: 'budget:b', ...LIMIT })
  await one.reserve(40)
  expect(await other.reserve(40)).toBe(0)
})

test('a Redis that is gone or frozen costs one wait, and then nothing until it is worth asking again', async ({
  ownServices,
}) => {
  await using redis = await ownServices.redis()
  await using budget = await connectBudget(redis.url, { name: 'budget', callsPerSecond: 1_000, burst: 40 })
  expect(await budget.reserve(1)).toBe(0)
  await redis.process.freeze()
  await expect(budget.reserve(1)).rejects.toThrow()
  await expect(budget.reserve(1)).rejects.toThrow('left alone')
  await redis.process.thaw()
  await expect.poll(() => budget.reserve(1).catch(() => 'not yet'), { timeout: 10_000 }).toBe(0)
})
