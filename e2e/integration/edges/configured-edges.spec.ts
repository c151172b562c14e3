import { Client } from 'pg'
import { seededSchool } from '#fixtures/data/seed.ts'
import { ApiClient } from '#fixtures/playwright/api-client.ts'
import { startServerProcess } from '#fixtures/playwright/server-process.ts'
import { expect, test } from '#fixtures/test.ts'

const lesson = `/api/v1/lessons/${seededSchool().lessons.find(({ isPublished }) => isPublished)?.id}`

test('a page of a listed origin may call the API, also when it asks first, and one of another origin may not', async ({
  app,
  serverEnvironment,
}) => {
  const environment = { ...serverEnvironment, CORS_ORIGINS: 'https://school.example, https://admin.school.example' }
  await using server = await startServerProcess({ environment })
  const client = new ApiClient(server.url, (await app.session('admin')).token)
  const allowed = await client.get(lesson, { origin: 'https://admin.school.example' })
  expect(allowed.headers.get('access-control-allow-origin')).toBe('https://admin.school.example')
  // A refusal has to be readable as well, or the page cannot tell what was wrong.
  const refused = await client.get('/api/v1/lessons/42', { origin: 'https://school.example' })
  expect(refused.headers.get('access-control-allow-origin')).toBe('https://school.example')
  const preflight = await new ApiClient(server.url).send('OPTIONS', lesson, {
    headers: { origin: 'https://school.example', 'access-control-request-method': 'PUT' },
  })
  expect(preflight.status).toBe(204)
  expect(preflight.headers.get('access-control-allow-methods')).toContain('PUT')
  const foreign = await client.get(lesson, { origin: 'https://evil.example' })
  expect(foreign.headers.get('access-control-allow-origin')).toBeNull()
})

test('a body one byte above the limit is refused, and one at the limit is read', async ({ app, serverEnvironment }) => {
  await using server = await startServerProcess({ environment: { ...serverEnvironment, BODY_LIMIT_BYTES: '1024' } })
  const client = new ApiClient(server.url, (await app.session('student1')).token)
  const send = (bytes: number) =>
    client.send('PUT', `${lesson}/progress`, {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ filler: 'x'.repeat(bytes - '{"filler":""}'.length) }),
    })
  expect((await send(1_024)).body).toMatchObject({ code: 'invalid_request' })
  expect((await send(1_025)).body).toMatchObject({ code: 'body_too_large', status: 413 })
})

test('a request that the database keeps waiting is answered with 503 in time, and the next one is as fast as ever', async ({
  app,
  serverEnvironment,
  seededDatabase,
}) => {
  await using server = await startServerProcess({ environment: { ...serverEnvironment, REQUEST_TIMEOUT_MS: '400' } })
  const client = new ApiClient(server.url, (await app.session('admin')).token)
  const blocker = new Client(seededDatabase.url)
  await blocker.connect()
  try {
    await blocker.query('begin')
    await blocker.query('lock table lessons in access exclusive mode')
    const reply = await client.get('/api/v1/lessons')
    expect(reply.status).toBe(503)
    expect(reply.headers.get('content-type')).toContain('application/problem+json')
    // The database ends the statement at the same moment, and may be the first to say so.
    expect(['request_timeout', 'deadline_exceeded']).toContain(reply.body['code'])
  } finally {
    await blocker.query('rollback')
    await blocker.end()
  }
  expect((await client.get('/api/v1/lessons')).status).toBe(200)
})

test('ready says 503 while the request in flight finishes and the listener still answers', async ({
  serverEnvironment,
}) => {
  await using server = await startServerProcess({ environment: { ...serverEnvironment, DRAIN_GRACE_MS: '3000' } })
  const { promise: bodySent, resolve: sendBody } = Promise.withResolvers<void>()
  const body = new ReadableStream({
    async start(controller) {
      controller.enqueue(new TextEncoder().encode('{"username":"student1",'))
      await bodySent
      controller.enqueue(new TextEncoder().encode('"password":"hotpath"}'))
      controller.close()
    },
  })
  const inFlight = fetch(`${server.url}/api/v1/auth/sign-in`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
    duplex: 'half',
  })
  const probe = () => fetch(`${server.url}/health/ready`)
  expect((await probe()).status).toBe(200)
  server.kill('SIGTERM')
  await expect.poll(async () => (await probe()).status).toBe(503)
  const draining = await probe()
  expect(await draining.json()).toEqual({ status: 'unhealthy', reasons: ['the process is shutting down'] })
  // Who is told to come back on another connection would stand in front of the listener when it closes.
  expect(draining.headers.get('connection')).toBe('keep-alive')
  expect((await fetch(`${server.url}/health/live`)).status).toBe(200)
  sendBody()
  expect((await inFlight).status).toBe(200)
  expect(await server.exited).toBe(0)
  expect(server.output()).toContain('"outcome":"drained"')
})
