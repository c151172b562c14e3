import type { ApiClient } from '#fixtures/playwright/api-client.ts'
import { reporters } from '#fixtures/faults/breakable-app.ts'
import { test } from '#fixtures/faults/breakable-fixtures.ts'
import type { RealtimeClient } from '#fixtures/playwright/realtime-client.ts'
import { expect } from '#fixtures/test.ts'
import { readStamp } from '#optimizations/pusher/client/delivery-guard.js'

const several = reporters(4)
const [first] = several

/** Events that wait for Pusher. */
async function waiting(client: ApiClient): Promise<number> {
  const { body } = await client.get('/health/performance')
  const { pusher } = body['services'] as Record<string, { details?: { outbox?: { waiting: number } } }>
  return pusher?.details?.outbox?.waiting ?? -1
}

test('with Pusher away, writes succeed, the outbox grows, health says so, and afterwards every event comes in order', async ({
  breakable,
  intensity,
}) => {
  test.setTimeout(90_000)
  await using server = await breakable.startServer()
  const writers = await Promise.all(several.map(({ username }) => breakable.clientOf(server, username)))
  // What another server has left goes out first.
  await expect.poll(() => waiting(writers[0] as ApiClient), { timeout: 30_000 }).toBe(0)
  await using subscribers = new AsyncDisposableStack()
  const listening = await Promise.all(
    several.map(async (reporter) => subscribers.use(await breakable.subscribe(server, reporter))),
  )
  const each = Math.ceil(250 * intensity)

  const gone = await breakable.pusherLink.inject({ kind: 'refuse' })
  try {
    breakable.pusherLink.reset()
    await Promise.all(
      several.map(async ({ lessonId }, at) => {
        for (let timeSpentSec = 1; timeSpentSec <= each; timeSpentSec += 1) {
          const reply = await writers[at]?.put(`/api/v1/lessons/${lessonId}/progress`, { percent: 10, timeSpentSec })
          expect(reply?.status).toBe(200)
        }
      }),
    )
    expect(await waiting(writers[0] as ApiClient)).toBe(several.length * each)
    const ready = await writers[0]?.get('/health/ready')
    expect(ready?.status).toBe(200)
    expect(ready?.body).toMatchObject({ status: 'degraded', services: { pusher: { status: 'unhealthy' } } })
  } finally {
    await gone.end()
  }

  for (const client of listening) {
    await expect.poll(() => client.received.length, { timeout: 60_000 }).toBe(each)
    const stamps = client.received.map(({ data }) => (data as { at: number }).at)
    expect(stamps).toEqual(stamps.toSorted((one, other) => one - other))
  }
  await expect.poll(() => waiting(writers[0] as ApiClient)).toBe(0)
  await expect.poll(async () => (await writers[0]?.get('/health/ready'))?.body['status']).toBe('healthy')
})

/** What a page hears that drops what arrives twice: the percents, in the order of their first arrival. */
function heardPercents({ received }: RealtimeClient): readonly number[] {
  const percents = new Map<string | undefined, number>()
  for (const { event, data } of received) {
    const { stamp, data: payload } = readStamp(data)
    if (event !== 'progress.updated' || percents.has(stamp?.id)) continue
    percents.set(stamp?.id, (payload as { percent: number }).percent)
  }
  return [...percents.values()]
}

const EVENTS_WHILE_AWAY = 10

for (const [what, nth, begin, end, subscriptions] of [
  ['frozen and thawed', 1, 'freeze', 'thaw', 1],
  ['killed and started again', 2, 'kill', 'restart', 2],
] as const) {
  test(`a subscriber of a Pusher that was ${what} hears every event, in order, and once where it drops duplicates`, async ({
    breakable,
  }) => {
    test.setTimeout(90_000)
    await using server = await breakable.startServer()
    const reporter = several[nth] ?? { username: '', lessonId: '', channel: '' }
    const client = await breakable.clientOf(server, reporter.username)
    const path = `/api/v1/lessons/${reporter.lessonId}/progress`
    const report = async (percent: number): Promise<void> => {
      expect((await client.put(path, { percent, timeSpentSec: percent })).status).toBe(200)
    }
    // Progress never goes back, and another test may have reported some.
    const { progress } = (await client.get(`/api/v1/lessons/${reporter.lessonId}`)).body as {
      progress: { percent: number } | null
    }
    const whileAway = Array.from({ length: EVENTS_WHILE_AWAY }, (_, n) => (progress?.percent ?? 0) + n + 1)
    // Reported when Pusher is back: it comes last, so that whatever comes was there before.
    const back = Math.max(...whileAway) + 1
    expect(back).toBeLessThanOrEqual(100)
    await using subscriber = await breakable.subscribe(server, reporter)
    const { pusher } = breakable.processes
    await pusher[begin]()
    await using link = await breakable.pusherLink.inject({ kind: 'refuse' })
    try {
      for (const percent of whileAway) await report(percent)
      await expect.poll(async () => (await client.get('/health/ready')).body['status']).toBe('degraded')
      expect(await waiting(client)).toBe(whileAway.length)
    } finally {
      await pusher[end]()
    }
    // Pusher keeps nothing for who is not subscribed: the server gets through to it only when the subscriber is back.
    await expect.poll(() => subscriber.subscriptions(reporter.channel), { timeout: 60_000 }).toBe(subscriptions)
    await link.end()
    await report(back)
    await expect.poll(() => heardPercents(subscriber).at(-1), { timeout: 60_000 }).toBe(back)
    expect(heardPercents(subscriber)).toEqual([...whileAway, back])
    await expect.poll(() => waiting(client), { timeout: 60_000 }).toBe(0)
    await expect.poll(async () => (await client.get('/health/ready')).body['status']).toBe('healthy')
  })
}

test('with Redis and Pusher both away, everybody is still served, and health names both', async ({ breakable }) => {
  test.setTimeout(90_000)
  await using server = await breakable.startServer()
  const reporter = first ?? { username: '', lessonId: '', channel: '' }
  const client = await breakable.clientOf(server, reporter.username)
  const gone = await breakable.pusherLink.inject({ kind: 'refuse' })
  breakable.pusherLink.reset()
  await breakable.processes.redis.kill()
  try {
    for (let timeSpentSec = 1; timeSpentSec <= 10; timeSpentSec += 1) {
      const path = `/api/v1/lessons/${reporter.lessonId}`
      expect((await client.get(path)).status).toBe(200)
      expect((await client.put(`${path}/progress`, { percent: 40, timeSpentSec })).status).toBe(200)
    }
    await expect
      .poll(async () => ((await client.get('/health/ready')).body['reasons'] as string[]).map((r) => r.split(':')[0]))
      .toEqual(expect.arrayContaining(['cache', 'pusher']))
    expect((await client.get('/health/ready')).status).toBe(200)
  } finally {
    await breakable.processes.redis.restart()
    await gone.end()
  }
  await expect.poll(async () => (await client.get('/health/ready')).body['status'], { timeout: 60_000 }).toBe('healthy')
  await expect.poll(() => waiting(client), { timeout: 60_000 }).toBe(0)
})
