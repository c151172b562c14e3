import { startEmbeddedRedis } from '#fixtures/services/redis/embedded-redis.ts'
import { expect, test } from '#fixtures/test.ts'
import { systemClock } from '#optimizations/kernel/clock.ts'
import { systemRandom } from '#optimizations/kernel/random.ts'
import { createRedisRateBudget } from '#optimizations/manager/redis-rate-budget.ts'

const deps = { clock: systemClock, random: systemRandom }
const LIMIT = { callsPerSecond: 1, burst: 40 }

test('two processes share one budget: the burst once, and then a line in which everybody has a place', async ({
  redis,
}) => {
  const options = { url: redis.url, name: 'budget:shared', ...LIMIT }
  await using one = createRedisRateBudget(deps, options)
  await using other = createRedisRateBudget(deps, options)
  await Promise.all([one.start(), other.start()])
  expect([await one.reserve(20), await other.reserve(20)]).toEqual([0, 0])
  const first = await other.reserve(20)
  const second = await one.reserve(20)
  // 20 tokens at one a second take twenty seconds, less what has refilled since. Nobody waits here.
  expect(first).toBeGreaterThan(15_000)
  expect(first).toBeLessThanOrEqual(20_000)
  expect(second - first).toBeGreaterThan(15_000)
  expect(second - first).toBeLessThanOrEqual(20_000)
})

test('budgets of different names know nothing of each other', async ({ redis }) => {
  await using one = createRedisRateBudget(deps, { url: redis.url, name: 'budget:a', ...LIMIT })
  await using other = createRedisRateBudget(deps, { url: redis.url, name: 'budget:b', ...LIMIT })
  await Promise.all([one.start(), other.start()])
  await one.reserve(40)
  expect(await other.reserve(40)).toBe(0)
})

test('a Redis that is gone or frozen costs one wait, and then nothing until it is worth asking again', async () => {
  await using redis = await startEmbeddedRedis()
  await using budget = createRedisRateBudget(deps, { url: redis.url, name: 'budget', callsPerSecond: 1_000, burst: 40 })
  await budget.start()
  expect(await budget.reserve(1)).toBe(0)
  redis.process?.freeze()
  await expect(budget.reserve(1)).rejects.toThrow()
  await expect(budget.reserve(1)).rejects.toThrow('left alone')
  redis.process?.thaw()
  await expect.poll(() => budget.reserve(1).catch(() => 'not yet'), { timeout: 10_000 }).toBe(0)
})
