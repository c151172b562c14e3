import { Client } from 'pg'
import { SchoolIndex } from '#fixtures/data/school-index.ts'
import { seededSchool } from '#fixtures/data/seed.ts'
import { ApiClient } from '#fixtures/playwright/api-client.ts'
import { type ServerProcess, startServerProcess } from '#fixtures/playwright/server-process.ts'
import { expect, test as base } from '#fixtures/test.ts'

const school = new SchoolIndex(seededSchool())
const { id: classId } = school.classOf('student1')
const path = `/api/v1/lessons/${school.lesson(classId).id}`

/** What the server of a test is called in pg_stat_activity: the server that all tests share opens connections when it likes. */
const APPLICATION = 'request-scope.spec'

/**
 * A connection that has just been opened prepares the statements that are asked for most, which waits for a locked table
 * like everything else.
 */
const AT_REST = `select coalesce(bool_and(state = 'idle' and now() - backend_start > interval '1 s'), false) as "isAtRest"
  from pg_stat_activity where datname = current_database() and application_name = '${APPLICATION}'`

const WAITING = `select (extract(epoch from clock_timestamp() - query_start) * 1000)::float8 as ms from pg_stat_activity
  where datname = current_database() and application_name = '${APPLICATION}' and wait_event_type = 'Lock'`

const test = base.extend<{
  /** A server of the test's own, with two connections. */
  startServer: (environment?: Readonly<Record<string, string>>) => Promise<ServerProcess>
  /** Keeps everybody else away from a table until it is disposed of. */
  lockTable: (table: string) => Promise<AsyncDisposable>
  /** For how many milliseconds each statement of the server has been waiting for a locked table. */
  waiting: () => Promise<readonly number[]>
}>({
  startServer: async ({ serverEnvironment }, use) => {
    await using servers = new AsyncDisposableStack()
    await use(async (environment) => {
      const url = new URL(serverEnvironment['DATABASE_URL'] ?? '')
      url.searchParams.set('application_name', APPLICATION)
      const pool = { DATABASE_URL: url.href, DATABASE_POOL_SIZE: '2', DATABASE_POOL_OVERFLOW: '0' }
      return servers.use(await startServerProcess({ environment: { ...serverEnvironment, ...pool, ...environment } }))
    })
  },
  lockTable: async ({ seededDatabase, sql }, use) => {
    await use(async (table) => {
      await expect.poll(async () => (await sql<{ isAtRest: boolean }>(AT_REST))[0]?.isAtRest).toBe(true)
      const client = new Client(seededDatabase.url)
      await client.connect()
      await client.query(`begin; lock table ${table} in access exclusive mode`)
      return { [Symbol.asyncDispose]: () => client.end() }
    })
  },
  waiting: async ({ sql }, use) => {
    await use(async () => (await sql<{ ms: number }>(WAITING)).map(({ ms }) => ms))
  },
})

for (const [what, method, body] of [
  ['a reading', 'GET', undefined],
  ['a write', 'PUT', { percent: 1, timeSpentSec: 1 }],
] as const) {
  test(`a client that goes away while ${what} waits in the database frees the connection there`, async ({
    app,
    startServer,
    lockTable,
    waiting,
  }) => {
    const server = await startServer({ OPTIMIZE_CACHE: 'off' })
    const { token } = await app.session('student1')
    const client = new ApiClient(server.url, token)
    // Sign-in and access have been asked before: what waits is the progress alone.
    expect((await client.get(path)).status).toBe(200)
    await using _locked = await lockTable('lesson_progress')
    const leaving = new AbortController()
    const request = fetch(`${server.url}${path}${method === 'PUT' ? '/progress' : ''}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: leaving.signal,
    })
    const outcome = request.then(
      () => 'answered',
      () => 'gone',
    )
    await expect.poll(waiting).toHaveLength(1)
    leaving.abort()
    expect(await outcome).toBe('gone')
    await expect.poll(waiting).toHaveLength(0)
  })
}

test('the time of a request is the time limit of its statements on the server too', async ({
  app,
  startServer,
  lockTable,
  waiting,
}) => {
  const server = await startServer({ REQUEST_TIMEOUT_MS: '400', OPTIMIZE_CACHE: 'off' })
  const client = new ApiClient(server.url, (await app.session('student1')).token)
  // Sign-in and access have been asked before: what waits is the progress alone.
  expect((await client.get(path)).status).toBe(200)
  await using _locked = await lockTable('lesson_progress')
  expect((await client.get(path)).status).toBe(503)
  await expect.poll(waiting).toHaveLength(0)
})

test('a slow query is logged once, with the id of its request and without a value, and counted', async ({
  app,
  startServer,
  lockTable,
  waiting,
}) => {
  const server = await startServer()
  const { token, userId } = await app.session('student3')
  const client = new ApiClient(server.url, token)
  const lesson = `/api/v1/lessons/${school.lesson(school.classOf('student3').id).id}`
  expect((await client.get(lesson)).status).toBe(200)
  await app.signIn('admin').then((admin) => admin.send('DELETE', `/api/v1/admin/cache/tags/user:${userId}:work`))
  let reply: Promise<{ status: number }>
  {
    await using _locked = await lockTable('lesson_progress')
    reply = client.get(lesson, { 'x-request-id': 'the-slow-one' })
    // Slow is what takes half a second: as long as the server itself says that it has been waiting.
    await expect.poll(async () => (await waiting())[0] ?? 0).toBeGreaterThan(550)
  }
  expect((await reply).status).toBe(200)
  await expect.poll(() => server.output()).toContain('slow query')
  const line =
    server
      .output()
      .split('\n')
      .find((one) => one.includes('slow query')) ?? ''
  expect(JSON.parse(line)).toMatchObject({
    requestId: 'the-slow-one',
    fingerprint: expect.stringContaining('lesson_progress'),
  })
  expect(line).not.toContain(userId)
  const metrics = await new ApiClient(server.url).get('/metrics/performance')
  expect(metrics.body['databaseFindings']).toMatchObject({ slow_query: 1 })
})
