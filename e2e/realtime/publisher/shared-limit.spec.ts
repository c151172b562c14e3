import { PusherFaultGateway } from '#fixtures/doubles/pusher-fault-gateway.ts'
import { expect, test } from '#fixtures/test.ts'
import { systemClock } from '#optimizations/kernel/clock.ts'
import { systemRandom } from '#optimizations/kernel/random.ts'
import { createPublisherRedis } from '#optimizations/manager/publisher-redis.ts'
import { createRedisRateBudget } from '#optimizations/manager/redis-rate-budget.ts'
import { startPublisher } from '#optimizations/pusher/start-publisher.ts'

const LIMIT = { callsPerSecond: 200, burst: 20 }

test('two publishers on one budget in Redis together send no more than the limit allows', async ({
  pusher,
  redis,
  intensity,
}) => {
  const each = Math.round(2_000 * intensity)
  test.setTimeout(30_000 + (each * 2_000) / LIMIT.callsPerSecond)
  await redis.reset()
  await using gateway = await PusherFaultGateway.start(pusher)
  /** When events went out, in milliseconds; an entry for each event. */
  const sentAt: number[] = []
  gateway.plan = ({ body }) => {
    const events = (JSON.parse(body) as { readonly batch: readonly unknown[] }).batch.length
    for (let count = 0; count < events; count += 1) sentAt.push(performance.now())
    return undefined
  }
  await using stack = new AsyncDisposableStack()
  const publishers = await Promise.all(
    ['one', 'other'].map(async () => {
      const deps = { clock: systemClock, random: systemRandom }
      const connection = stack.use(createPublisherRedis(deps, redis.url))
      await connection.start()
      const sharedRateLimit = createRedisRateBudget(connection, { name: 'limit:shared', ...LIMIT })
      // Each may send the whole limit by itself: what holds them back is what they share.
      return stack.use(await startPublisher({ app: { ...pusher, port: gateway.port }, ...LIMIT }, { sharedRateLimit }))
    }),
  )
  for (let n = 0; n < each; n += 1) {
    for (const [index, publisher] of publishers.entries()) await publisher.publish(`shared-${index}-${n % 5}`, 'e', n)
  }
  await expect
    .poll(() => publishers.map((publisher) => publisher.stats().pending), { timeout: (each * 4_000) / 200 + 10_000 })
    .toEqual([0, 0])
  expect(sentAt).toHaveLength(2 * each)
  // A request may be seen a little late and the ones after it not: what two clocks and a loaded machine move by.
  const slackMs = 100
  const burst = LIMIT.burst + 2 * 20
  for (const [index, at] of sentAt.entries()) {
    const later = sentAt.findIndex((other) => other > at + 1_000)
    const within = (later === -1 ? sentAt.length : later) - index
    expect(within).toBeLessThanOrEqual(LIMIT.callsPerSecond * (1 + slackMs / 1_000) + burst)
  }
  const tookSeconds = ((sentAt.at(-1) ?? 0) - (sentAt[0] ?? 0)) / 1_000
  expect(2 * each - burst).toBeLessThanOrEqual(LIMIT.callsPerSecond * (tookSeconds + slackMs / 1_000))
  test.info().annotations.push({
    type: 'shared limit',
    description: `${2 * each} events in ${tookSeconds.toFixed(2)} s of two publishers, ${LIMIT.callsPerSecond} a second allowed`,
  })
})
