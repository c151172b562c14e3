import { Client } from 'pg'
import type { ApiClient, ApiReply } from '#fixtures/playwright/api-client.ts'
import { reporters } from '#fixtures/faults/breakable-app.ts'
import { test } from '#fixtures/faults/breakable-fixtures.ts'
import { expect } from '#fixtures/test.ts'

const [reporter] = reporters(1)
const lesson = `/api/v1/lessons/${reporter?.lessonId}`
const username = reporter?.username ?? ''

async function isReadyAgain(client: ApiClient): Promise<void> {
  await expect.poll(async () => (await client.get('/health/ready')).status, { timeout: 20_000 }).toBe(200)
}

test('with PostgreSQL gone the process is live and not ready, refuses with 503, and serves again when it is back', async ({
  breakable,
}) => {
  const { postgres } = breakable.processes
  await using server = await breakable.startServer()
  const client = await breakable.clientOf(server, username)
  const admin = await breakable.clientOf(server, 'admin')
  expect((await admin.get(lesson)).status).toBe(200)
  await postgres.kill()
  try {
    const refused = await client.put(`${lesson}/progress`, { percent: 1, timeSpentSec: 1 })
    expect(refused.status).toBe(503)
    expect(refused.headers.get('content-type')).toContain('application/problem+json')
    expect(refused.headers.get('retry-after')).toBe('1')
    // What an admin reads needs no question to the database, so it is read from the cache.
    expect((await admin.get(lesson)).status).toBe(200)
    expect((await client.get('/health/live')).status).toBe(200)
    const ready = await client.get('/health/ready')
    expect(ready.status).toBe(503)
    expect(ready.body).toMatchObject({ status: 'unhealthy', services: { database: { status: 'unhealthy' } } })
  } finally {
    await postgres.restart()
  }
  await isReadyAgain(client)
  await expect.poll(async () => (await client.get(lesson)).status).toBe(200)
  expect((await client.put(`${lesson}/progress`, { percent: 2, timeSpentSec: 2 })).status).toBe(200)
})

test('while PostgreSQL restarts under load every request is answered, with 200 or 503 and nothing else', async ({
  breakable,
}) => {
  const { postgres } = breakable.processes
  // Refusals are quick: with the limit, eight callers in a loop could come to a user's thousand a second.
  await using server = await breakable.startServer({ RATE_LIMIT_PER_USER: '0' })
  const client = await breakable.clientOf(server, username)
  const statuses = new Map<string, number>()
  const count = ({ status, body }: ApiReply): void => {
    const what = status === 200 ? '200' : `${status} ${String(body['code'])}`
    statuses.set(what, (statuses.get(what) ?? 0) + 1)
  }
  const over = new AbortController()
  const load = Array.from({ length: 8 }, async (_, at) => {
    for (let turn = 1; !over.signal.aborted; turn += 1) {
      count(
        await (at % 2 === 0
          ? client.get(lesson)
          : client.put(`${lesson}/progress`, { percent: 50, timeSpentSec: turn })),
      )
    }
  })
  for (let round = 0; round < 3; round += 1) {
    await postgres.restart()
    await isReadyAgain(client)
  }
  over.abort()
  await Promise.all(load)
  const unexpected = [...statuses.keys()].filter((what) => what !== '200' && !what.startsWith('503 '))
  expect(unexpected).toEqual([])
  expect(statuses.get('200')).toBeGreaterThan(0)
  expect((await client.put(`${lesson}/progress`, { percent: 60, timeSpentSec: 1 })).status).toBe(200)
})

test('with every connection of the pool taken, requests are refused in time, and served once one is free', async ({
  breakable,
}) => {
  await using server = await breakable.startServer({
    DATABASE_POOL_SIZE: '2',
    DATABASE_POOL_OVERFLOW: '0',
    REQUEST_TIMEOUT_MS: '800',
  })
  const client = await breakable.clientOf(server, username)
  const blocker = new Client(breakable.databaseUrl)
  await blocker.connect()
  try {
    await blocker.query('begin')
    await blocker.query('lock table lesson_progress in access exclusive mode')
    const replies = await Promise.all(
      Array.from({ length: 30 }, (_, at) => client.put(`${lesson}/progress`, { percent: 70, timeSpentSec: at })),
    )
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([503]))
    for (const { body } of replies) {
      expect(['request_timeout', 'deadline_exceeded', 'pool_acquire_timeout', 'pool_queue_full']).toContain(
        body['code'],
      )
    }
    expect((await client.get('/health/live')).status).toBe(200)
  } finally {
    await blocker.query('rollback')
    await blocker.end()
  }
  await expect
    .poll(async () => (await client.put(`${lesson}/progress`, { percent: 71, timeSpentSec: 1 })).status)
    .toBe(200)
  await isReadyAgain(client)
})
