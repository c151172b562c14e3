import { Client } from 'pg'
import { seededSchool } from '#fixtures/data/seed.ts'
import { ApiClient } from '#fixtures/playwright/api-client.ts'
import { startServerProcess } from '#fixtures/playwright/server-process.ts'
import { expect, test } from '#fixtures/test.ts'

const school = seededSchool()
const lesson = school.lessons.find(({ isPublished }) => isPublished)
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}/

test('detailed health holds the start, live probes with round trips, and what the process is doing', async ({
  app,
}) => {
  const { status, body } = await app.anonymous.get('/health/performance')
  expect(status).toBe(200)
  expect(body).toMatchObject({
    status: 'healthy',
    optimizationEnabled: { cache: true, database: true, pusher: true },
    start: { status: 'completed', successfulServices: 3, services: { cache: { status: 'initialized' } } },
  })
  const { database } = body['services'] as Record<string, { roundTripMs: number }>
  expect(database?.roundTripMs).toBeGreaterThan(0)
  expect((body['process'] as { memory: { rssBytes: number } }).memory.rssBytes).toBeGreaterThan(10_000_000)
})

test('the metrics count a request under the template of its route, and what it did in each part', async ({ app }) => {
  const client = await app.signIn('admin')
  const read = async () => {
    const { body } = await app.anonymous.get('/metrics/performance')
    const { routes } = body['requests'] as { routes: { method: string; route: string; count: number }[] }
    const { queryPerformance } = body['database'] as { queryPerformance: { queryCount: number } }
    return { count: routes.find(({ route }) => route === '/api/v1/lessons/:id')?.count ?? 0, queryPerformance, body }
  }
  const before = await read()
  for (let at = 0; at < 3; at += 1) await client.get(`/api/v1/lessons/${lesson?.id}`)
  await client.get('/api/v1/lessons/00000000-0000-4000-8000-000000000000')
  await expect.poll(async () => (await read()).count - before.count).toBe(4)
  const { body } = await read()
  expect(body['cache']).toMatchObject({ namespace: 'hotpath' })
  expect((body['cache'] as { hits: number }).hits).toBeGreaterThan(0)
  expect(body['pusher']).toMatchObject({ breaker: 'closed' })
  expect(body['rateLimits']).toMatchObject({ user: { refused: 0, failedOpen: 0 }, address: { failedOpen: 0 } })
  expect(JSON.stringify(body['requests'])).not.toMatch(UUID)
})

test('Prometheus gets every family once, of requests, cache, database, publisher and process, and no id', async ({
  app,
}) => {
  await (await app.signIn('admin')).get(`/api/v1/lessons/${lesson?.id}`)
  const reply = await fetch(`${app.url}/metrics`)
  expect(reply.headers.get('content-type')).toContain('text/plain; version=0.0.4')
  const text = await reply.text()
  const families = [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name)
  expect(new Set(families).size).toBe(families.length)
  for (const family of [
    'http_server_request_duration_seconds',
    'hotpath_service_initialized',
    'hotpath_pusher_events_total',
  ]) {
    expect(families).toContain(family)
  }
  expect(families.filter((name) => /^nodejs_|^process_/.test(name ?? '')).length).toBeGreaterThan(4)
  expect(families.some((name) => name?.includes('cache'))).toBe(true)
  expect(text).not.toMatch(UUID)
  for (const line of text.split('\n')) expect(line).toMatch(/^$|^#|^[a-z_]+(\{.*\})? (-?[\d.e+-]+|NaN|[+-]Inf)$/)
})

test('with a metrics token, metrics and detailed health are for its bearer, and the rest of health for everybody', async ({
  serverEnvironment,
}) => {
  const token = 'metrics-token-of-this-test'
  await using server = await startServerProcess({ environment: { ...serverEnvironment, METRICS_TOKEN: token } })
  const [anonymous, bearer, wrong] = [undefined, token, `${token}x`].map((one) => new ApiClient(server.url, one))
  for (const path of ['/metrics', '/metrics/performance', '/health/performance']) {
    expect((await anonymous?.get(path))?.status).toBe(401)
    expect((await wrong?.get(path))?.status).toBe(401)
    expect((await bearer?.get(path))?.status).toBe(200)
  }
  expect((await anonymous?.get('/health/ready'))?.status).toBe(200)
})

const INSPECTED = ['/metrics', '/metrics/performance', '/health/performance']

test('without a metrics token a server behind a proxy keeps metrics and details of health closed, and says how to open them', async ({
  serverEnvironment,
}) => {
  await using server = await startServerProcess({ environment: { ...serverEnvironment, TRUSTED_PROXIES: '1' } })
  const client = new ApiClient(server.url)
  for (const path of INSPECTED) {
    const { status, body } = await client.get(path)
    expect(status).toBe(403)
    expect(body).toMatchObject({ code: 'inspection_closed', detail: expect.stringContaining('METRICS_TOKEN') })
  }
  const ready = await client.get('/health/ready')
  expect(ready.body).toEqual({
    status: 'healthy',
    services: { cache: { status: 'healthy' }, database: { status: 'healthy' }, pusher: { status: 'healthy' } },
  })
})

for (const [what, headers] of [
  ['a request that a proxy has forwarded', { 'x-forwarded-for': '192.0.2.7' }],
  ['a page of another name that leads to this machine', { host: 'rebound.example' }],
] as const) {
  test(`on loopback without a metrics token, ${what} sees no metrics and no details of health`, async ({ app }) => {
    for (const path of INSPECTED) {
      expect((await app.anonymous.get(path)).status).toBe(200)
      expect((await app.anonymous.get(path, headers)).status).toBe(403)
    }
    expect((await app.anonymous.get('/health/ready', headers)).body['reasons']).toBeUndefined()
    expect((await app.anonymous.get('/health/ready')).body['reasons']).toEqual([])
  })
}

for (const [who, username, status] of [
  ['an admin', 'admin', 200],
  ['a teacher', 'teacher1', 403],
  ['a student', 'student1', 403],
] as const) {
  test(`${who} who invalidates a tag gets ${status}`, async ({ app }) => {
    const client = await app.signIn(username)
    expect((await client.send('DELETE', '/api/v1/admin/cache/tags/some:tag')).status).toBe(status)
  })
}

test('a tag that is none, and another method on it, are refused', async ({ app }) => {
  const client = await app.signIn('admin')
  expect((await client.send('DELETE', '/api/v1/admin/cache/tags/a%20b')).status).toBe(400)
  expect((await client.get('/api/v1/admin/cache/tags/a')).status).toBe(405)
  expect((await app.anonymous.send('DELETE', '/api/v1/admin/cache/tags/a')).status).toBe(401)
})

test('what was changed behind the back of the application is read again once an admin invalidates its tag', async ({
  app,
  seededDatabase,
}) => {
  const client = await app.signIn('admin')
  const path = `/api/v1/lessons/${lesson?.id}`
  const { body } = await client.get(path)
  const database = new Client(seededDatabase.url)
  await database.connect()
  try {
    await database.query('update lessons set title = $1 where id = $2', ['Changed behind its back', lesson?.id])
    expect((await client.get(path)).body['title']).toBe(body['title'])
    const reply = await client.send('DELETE', `/api/v1/admin/cache/tags/lesson:${lesson?.id}`)
    expect(reply.body).toEqual({ tag: `lesson:${lesson?.id}`, acknowledged: true })
    expect((await client.get(path)).body['title']).toBe('Changed behind its back')
  } finally {
    await database.query('update lessons set title = $1 where id = $2', [body['title'], lesson?.id])
    await database.end()
    await client.send('DELETE', `/api/v1/admin/cache/tags/lesson:${lesson?.id}`)
  }
})
