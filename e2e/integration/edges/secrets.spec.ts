import { Redis } from 'ioredis'
import { request } from 'undici'
import { SchoolIndex } from '#fixtures/data/school-index.ts'
import { seededSchool } from '#fixtures/data/seed.ts'
import { SEEDED_PASSWORD } from '#fixtures/data/seeded-password.ts'
import { endpointCalls } from '#fixtures/edges/endpoint-calls.ts'
import { OPEN_PATHS } from '#fixtures/edges/open-paths.ts'
import { findLeaks, secretsIn, type Exposed, type Secrets } from '#fixtures/edges/secrets.ts'
import { ApiClient } from '#fixtures/playwright/api-client.ts'
import { startServerProcess, type ServerProcess } from '#fixtures/playwright/server-process.ts'
import type { Sql } from '#fixtures/playwright/app-fixtures.ts'
import { expect, test } from '#fixtures/test.ts'
import { createSurface, type AppDeps, type AppOptions } from '#server/app.ts'

const ROOT = '/api/v1'
const METRICS_TOKEN = 'metrics-token-b41c77'
const WRONG_PASSWORD = 'wrong-password-8f3b'
const NAME = 'name-in-a-statement-51c7'
const QUERY_SECRET = 'query-secret-d2a9'

/** Answers whatever it is asked for with itself: enough to put the application together without starting anything. */
function createAnything(): never {
  const anything: unknown = new Proxy(() => undefined, { get: () => anything, apply: () => anything })
  return anything as never
}

test('every path that answers without a token is on the list of open paths', () => {
  const anything = createAnything()
  const deps = {
    ...({} as AppDeps),
    services: anything,
    replies: anything,
    optimizations: anything,
    limits: {},
    guard: anything,
  }
  const surface = createSurface(deps, { bodyLimitBytes: 1_024, pusher: {}, inspection: {} } as AppOptions, anything)
  const served = Object.entries(surface).flatMap(([at, api]) =>
    api.openPaths.map((path) => `${at === '/' ? '' : at}${path}`),
  )
  expect(served.toSorted()).toEqual(OPEN_PATHS.toSorted())
})

/** Every secret of the configuration, and of the database. */
async function secretsOf(environment: Readonly<Record<string, string>>, sql: Sql): Promise<Secrets> {
  const users = await sql<{ username: string; hash: string }>('select username, password_hash as hash from users')
  return {
    ...secretsIn({ ...environment, METRICS_TOKEN }),
    ...Object.fromEntries(users.map(({ username, hash }) => [`password hash of ${username}`, hash])),
  }
}

async function ask(
  url: string,
  path: string,
  options: { readonly method?: string; readonly headers?: Record<string, string>; readonly body?: string } = {},
): Promise<Exposed & { readonly status: number }> {
  const { statusCode, headers, body } = await request(`${url}${path}`, options as object)
  const text = `${JSON.stringify(headers)}\n${await body.text()}`
  return { where: `${options.method ?? 'GET'} ${path} → ${statusCode}`, text, status: statusCode }
}

/** Every open path, with and without what opens it, and in ways in which it must refuse. */
async function askOpenPaths(url: string): Promise<readonly Exposed[]> {
  const json = { 'content-type': 'application/json' }
  const exposed: Exposed[] = []
  for (const path of [...OPEN_PATHS, '/nothing', `${ROOT}/nothing`]) {
    exposed.push(await ask(url, path))
    exposed.push(await ask(url, `${path}?token=${QUERY_SECRET}`))
    exposed.push(await ask(url, path, { headers: { authorization: `Bearer ${METRICS_TOKEN}` } }))
    for (const method of ['HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS']) exposed.push(await ask(url, path, { method }))
    exposed.push(await ask(url, path, { method: 'POST', headers: json, body: '{"broken' }))
    exposed.push(await ask(url, path, { method: 'POST', headers: json, body: JSON.stringify({ username: {} }) }))
  }
  return exposed
}

/** Every endpoint by somebody who may ask it, once. */
async function askEndpoints(server: ServerProcess): Promise<readonly Exposed[]> {
  const clients = new Map<string, Promise<ApiClient>>()
  const signIn = async (username: string): Promise<ApiClient> => {
    const { body } = await new ApiClient(server.url).post(`${ROOT}/auth/sign-in`, {
      username,
      password: SEEDED_PASSWORD,
    })
    return new ApiClient(server.url, String(body['token']))
  }
  const as = (username: string): Promise<ApiClient> => {
    const client = clients.get(username) ?? signIn(username)
    clients.set(username, client)
    return client
  }
  const exposed: Exposed[] = []
  for (const { endpoint, prepare } of endpointCalls(new SchoolIndex(seededSchool()))) {
    const { body, headers, status } = await (await prepare(as, 0))()
    exposed.push({ where: `${endpoint} → ${status}`, text: JSON.stringify([body, [...headers]]) })
  }
  return exposed
}

/** Requests that fail in the ways that tend to say too much. */
async function failEverywhere(server: ServerProcess, sql: Sql): Promise<readonly (Exposed & { status: number })[]> {
  const { url } = server
  const headers = { 'content-type': 'application/json' }
  const signIn = (body: string) => ask(url, `${ROOT}/auth/sign-in`, { method: 'POST', headers, body })
  const bearer = (token: string, path: string) => ask(url, path, { headers: { authorization: `Bearer ${token}` } })
  const failed = [
    await signIn(JSON.stringify({ username: 'student1', password: WRONG_PASSWORD })),
    await signIn(`{"password": "${WRONG_PASSWORD}"`),
    await signIn(JSON.stringify({ username: 'x', password: { nested: WRONG_PASSWORD } })),
    await bearer(METRICS_TOKEN, `${ROOT}/lessons?token=${QUERY_SECRET}`),
    await bearer(`${METRICS_TOKEN}x`, '/metrics'),
  ]
  await sql('alter table users rename to users_away')
  try {
    failed.push(await signIn(JSON.stringify({ username: NAME, password: WRONG_PASSWORD })))
  } finally {
    await sql('alter table users_away rename to users')
  }
  return failed
}

/** Everything that the server keeps in Redis. */
async function dumpRedis(url: string): Promise<readonly Exposed[]> {
  const redis = new Redis(url)
  try {
    const keys = await redis.keys('*')
    const contents = keys.map(async (key) => {
      const type = await redis.type(key)
      if (type === 'string') return [await redis.getBuffer(key)]
      if (type === 'hash') return Object.values(await redis.hgetallBuffer(key))
      return type === 'zset' ? redis.zrangeBuffer(key, '0', '-1') : []
    })
    const values = await Promise.all(contents)
    return keys.map((key, at) => ({ where: `Redis key ${key}`, text: `${key} ${(values[at] ?? []).join(' ')}` }))
  } finally {
    redis.disconnect()
  }
}

test('no reply, header, page, error, metric, health, event, log line or cached value shows a secret, a statement, or where in the code something failed', async ({
  serverEnvironment,
  seededDatabase,
  redis,
  realtime,
  sql,
}) => {
  test.setTimeout(90_000)
  const secrets = await secretsOf(serverEnvironment, sql)
  expect(Object.keys(secrets).length).toBeGreaterThan(50)
  const subscriber = await realtime.connectAs('student1')
  const { id: userId } = seededSchool().users.find(({ username }) => username === 'student1') ?? {}
  const { id: classId } = new SchoolIndex(seededSchool()).classOf('student1')
  await subscriber.subscribe(`private-user-${userId}`)
  await subscriber.subscribe(`private-class-${classId}`)

  const environment = { ...serverEnvironment, METRICS_TOKEN, LOG_LEVEL: 'trace' }
  await using server = await startServerProcess({ environment })
  const replies = [...(await askOpenPaths(server.url)), ...(await askEndpoints(server))]
  await expect.poll(() => subscriber.received.length).toBeGreaterThan(0)
  const cached = await dumpRedis(redis.url)
  expect(cached.length).toBeGreaterThan(0)
  const failures = await failEverywhere(server, sql)
  expect(failures.at(-1)?.status).toBe(500)
  await server.stop()
  const log = server.output()
  expect(log).toContain('"request failed"')

  const events = subscriber.received.map((event) => ({ where: `event ${event.event}`, text: JSON.stringify(event) }))
  const given = { WRONG_PASSWORD, QUERY_SECRET, NAME }
  const everything = [...replies, ...failures, ...events, ...cached, { where: 'the log', text: log }]
  expect(findLeaks({ ...secrets, ...given }, everything)).toEqual([])
  for (const { where, text } of failures) expect(text, where).not.toMatch(/node_modules|\.ts:\d+|select |users/i)
  await seededDatabase.reset()
})

test('a page learns where Pusher is, and nothing more', async ({ app }) => {
  const { body } = await app.anonymous.get('/realtime-config.json')
  expect(Object.keys(body).toSorted()).toEqual(['host', 'key', 'port', 'useTls'])
})
