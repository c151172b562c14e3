import { seededSchool } from '#fixtures/data/seed.ts'
import { NO_LIMITS } from '#fixtures/edges/no-limits.ts'
import { describeTokenStore } from '#fixtures/doubles/token-store.contract.ts'
import { ApiClient } from '#fixtures/playwright/api-client.ts'
import { startServerProcess } from '#fixtures/playwright/server-process.ts'
import { leaseRedis } from '#fixtures/services/broker/broker-client.ts'
import { expect, test } from '#fixtures/test.ts'
import { createRedisTokenStore } from '#optimizations/express/rate-limit/redis-token-store.ts'
import { connectRedis } from '#optimizations/express/rate-limit/connect-redis.ts'

describeTokenStore('in Redis', async () => {
  const redis = await leaseRedis()
  const client = await connectRedis(redis.url)
  return {
    store: createRedisTokenStore(client, 'contract'),
    [Symbol.asyncDispose]: async () => {
      client.disconnect()
      await redis[Symbol.asyncDispose]()
    },
  }
})

const lesson = `/api/v1/lessons/${seededSchool().lessons.find(({ isPublished }) => isPublished)?.id}`

async function statuses(client: ApiClient, count: number, path = lesson): Promise<Record<number, number>> {
  const replies = await Promise.all(Array.from({ length: count }, () => client.get(path)))
  const counts: Record<number, number> = {}
  for (const { status } of replies) counts[status] = (counts[status] ?? 0) + 1
  return counts
}

test('a user above the limit gets 429 with the time to wait, and nobody else does', async ({
  app,
  serverEnvironment,
}) => {
  const environment = { ...serverEnvironment, RATE_LIMIT_PER_USER: '2', RATE_LIMIT_BURST_SEC: '5' }
  await using server = await startServerProcess({ environment })
  const admin = new ApiClient(server.url, (await app.session('admin')).token)
  const teacher = new ApiClient(server.url, (await app.session('teacher1')).token)
  const counts = await statuses(admin, 40)
  expect(counts[200]).toBeGreaterThanOrEqual(10)
  expect(counts[429]).toBeGreaterThanOrEqual(20)
  const refused = await admin.get(lesson)
  expect(refused.status).toBe(429)
  expect(refused.headers.get('retry-after')).toBe('1')
  expect(refused.body).toMatchObject({ code: 'rate_limited', status: 429 })
  expect((await teacher.get('/api/v1/lessons')).status).toBe(200)
  expect((await admin.get('/health/live')).status).toBe(200)
})

test('an address above the limit gets 429 before anybody looks at its body, whoever it says it is', async ({
  serverEnvironment,
}) => {
  const environment = { ...serverEnvironment, RATE_LIMIT_PER_ADDRESS: '1', RATE_LIMIT_BURST_SEC: '3' }
  await using server = await startServerProcess({ environment })
  const anonymous = new ApiClient(server.url)
  await statuses(anonymous, 10)
  const reply = await anonymous.send('POST', '/api/v1/auth/sign-in', {
    headers: { 'content-type': 'application/json', 'x-forwarded-for': '192.0.2.99' },
    body: '{ no JSON',
  })
  expect(reply.status).toBe(429)
})

test('an address that has sent too many large bodies gets 429 for the next one, and for nothing else', async ({
  app,
  serverEnvironment,
}) => {
  const environment = { ...serverEnvironment, RATE_LIMIT_BODY_BYTES_PER_ADDRESS: '1024' }
  await using server = await startServerProcess({ environment })
  const admin = new ApiClient(server.url, (await app.session('admin')).token)
  const send = (bytes: number) =>
    admin.send('POST', '/api/v1/realtime/webhook', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ text: 'x'.repeat(bytes) }),
    })
  expect([(await send(60_000)).status, (await send(60_000)).status]).toEqual([401, 401])
  const refused = await send(60_000)
  expect([refused.status, Number(refused.headers.get('retry-after'))]).toEqual([429, expect.any(Number)])
  expect((await send(1_000)).status).toBe(401)
  expect((await admin.get(lesson)).status).toBe(200)
  const { body } = await admin.get('/metrics/performance')
  expect(body['rateLimits']).toMatchObject({ body: { allowed: 2, refused: 1 } })
})

test('a limit of 0 is none', async ({ app, serverEnvironment }) => {
  const environment = { ...serverEnvironment, ...NO_LIMITS }
  await using server = await startServerProcess({ environment })
  const admin = new ApiClient(server.url, (await app.session('admin')).token)
  expect(await statuses(admin, 60)).toEqual({ 200: 60 })
  expect((await admin.get('/metrics/performance')).body['rateLimits']).toEqual({})
})
