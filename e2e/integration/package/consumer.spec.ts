import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Client } from 'pg'
import { RawConnection } from '#fixtures/edges/raw-connection.ts'
import { startApplication } from '#fixtures/package/running-application.ts'
import {
  createScratchApplication,
  installAlone,
  installNode,
  packPackage,
} from '#fixtures/package/scratch-application.ts'
import type { ScratchApplication } from '#fixtures/package/scratch-application.ts'
import { connectRealtimeClient } from '#fixtures/playwright/realtime-client.ts'
import type { PusherLease } from '#fixtures/services/broker/lease.ts'
import { expect, test } from '#fixtures/test.ts'
import { connectRedis } from '#optimizations/express/rate-limit/connect-redis.ts'
import { createRedisTokenStore } from '#optimizations/express/rate-limit/redis-token-store.ts'

// One package and one installation for all of them. Installing waits for a registry, or for npm's cache of it.
test.describe.configure({ mode: 'serial', timeout: 120_000 })

let folder: string
let tarball: string
let node22: string

test.beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'hotpath-package-'))
  tarball = await packPackage(folder)
  node22 = await installNode(folder, 22)
})

test.afterAll(() => rm(folder, { recursive: true, force: true }))

const nodes = (): readonly (readonly [number, string])[] => [
  [22, node22],
  [24, process.execPath],
]

const appOf = ({ appId, key, secret, host, port, useTls }: PusherLease) => ({ appId, key, secret, host, port, useTls })

/** What an application says of itself when it is ready. */
interface Ready {
  readonly url: string
  readonly names: readonly string[]
  readonly loads: number
  readonly node: string
}

for (const [kind, what] of [
  ['module', 'of ES modules and Express 5'],
  ['commonjs', 'of CommonJS, decorators and Express 4'],
] as const) {
  test.describe(`an application ${what}`, () => {
    let application: ScratchApplication | undefined

    test.beforeAll(async () => {
      application = await createScratchApplication(kind, tarball)
    })

    test.afterAll(() => application?.[Symbol.asyncDispose]())

    test('installs and compiles the package, and runs it on Node 22 and 24', async ({ postgres, redis, pusher }) => {
      const settings = { databaseUrl: postgres.url, redisUrl: redis.url, app: appOf(pusher) }
      await using listener = await connectRealtimeClient({ pusher, authUrl: 'http://127.0.0.1:9', token: '' })
      await listener.subscribe('authors')
      for (const [major, node] of nodes()) {
        await Promise.all([postgres.reset(), redis.reset()])
        const before = listener.received.length
        await using running = await startApplication({ node, main: application?.main ?? '', settings })
        expect(running.said, running.errors).toMatchObject([
          { names: ['Ada', 'Ada'], loads: 1, node: expect.stringMatching(new RegExp(`^${major}\\.`)) },
        ])
        // An event that is in the outbox would wait there for the next start.
        await expect.poll(() => listener.received.length).toBe(before + 1)
        running.terminate()
        expect(await running.exited).toBe(0)
        expect(running.said.slice(1)).toEqual([{ outcome: 'drained', stopped: 'completed' }])
        expect(running.errors).toBe('')
        expect(listener.received.at(-1)).toMatchObject({ event: 'added', data: { name: 'Ada' } })
      }
    })

    test('answers in time or 503, limits its clients, and shows health and metrics, on Node 22 and 24', async ({
      postgres,
      redis,
      pusher,
    }) => {
      const settings = { databaseUrl: postgres.url, redisUrl: redis.url, app: appOf(pusher) }
      for (const [, node] of nodes()) {
        await Promise.all([postgres.reset(), redis.reset()])
        await using running = await startApplication({ node, main: application?.main ?? '', settings })
        const { url } = running.said[0] as Ready
        const get = (target: string, headers: Record<string, string> = {}) => fetch(`${url}${target}`, { headers })

        // Each request has an id, and says where its time went.
        const author = await get('/authors/1', { 'x-request-id': 'trace-1234' })
        expect([author.status, await author.json()]).toEqual([200, { name: 'Ada' }])
        expect(author.headers.get('x-request-id')).toBe('trace-1234')
        expect(author.headers.get('server-timing')).toMatch(/^cache;dur=[\d.]+, db;dur=[\d.]+, total;dur=[\d.]+$/)

        // Its deadline ends its statement too.
        await expectTimeout(postgres.url, get('/slow'))

        // A limit holds for all processes: another one has taken all tokens of b.
        const statuses = [await get('/limited', { 'x-client': 'a' }), await get('/limited', { 'x-client': 'a' })]
        expect(statuses.map(({ status }) => status)).toEqual([200, 200])
        await takeAll(redis.url, 'client:b')
        for (const client of ['a', 'b']) {
          const refused = await get('/limited', { 'x-client': client })
          expect([refused.status, await refused.json()]).toMatchObject([429, { code: 'rate_limited' }])
          expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(10)
        }

        const [live, ready] = [await get('/health/live'), await get('/health/ready')]
        expect([live.status, ready.status]).toEqual([200, 200])
        expect(await ready.json()).toEqual({ status: 'healthy' })

        const page = await (await get('/metrics')).text()
        const count = (route: string, status: string) =>
          `http_server_request_duration_seconds_count{method="GET",route="${route}",status="${status}"}`
        expect(page).toContain(`${count('/authors/:id', '2xx')} 1\n`)
        expect(page).toContain(`${count('/slow', '5xx')} 1\n`)
        expect(page).toContain(`${count('/limited', '4xx')} 2\n`)
        expect(page).toContain('hotpath_database_findings_total')
        expect(running.errors).toBe('')
      }
    })

    test('at SIGTERM is not ready at once, then refuses connections, finishes what is asked and stops, on Node 22 and 24', async ({
      postgres,
      redis,
      pusher,
    }) => {
      const settings = { databaseUrl: postgres.url, redisUrl: redis.url, app: appOf(pusher) }
      for (const [, node] of nodes()) {
        await Promise.all([postgres.reset(), redis.reset()])
        await using running = await startApplication({ node, main: application?.main ?? '', settings })
        const { url } = running.said[0] as Ready
        const held = fetch(`${url}/held`)
        const active = async () =>
          (await (await fetch(`${url}/metrics`)).text()).match(/^http_server_active_.* (\d+)$/m)
        await expect.poll(async () => (await active())?.[1]).toBe('2')

        running.terminate()
        const readiness = async () => (await fetch(`${url}/health/ready`)).status
        await expect.poll(readiness, { intervals: [20] }).toBe(503)
        // It is answered when the listener has closed.
        const reply = await held
        expect([reply.status, await reply.json(), reply.headers.get('connection')]).toEqual([
          200,
          { held: true },
          'close',
        ])
        await expect(RawConnection.open(url)).rejects.toThrow('ECONNREFUSED')
        expect(await running.exited).toBe(0)
        expect(running.said.slice(1)).toEqual([{ outcome: 'drained', stopped: 'completed' }])
        expect(running.errors).toBe('')
      }
    })
  })
}

/** The reply is 503 once the time is over, and the statement that kept it from coming is no longer executed. */
async function expectTimeout(databaseUrl: string, slow: Promise<Response>): Promise<void> {
  const database = new Client(databaseUrl)
  await database.connect()
  try {
    const sleeping = async () => {
      const { rowCount } = await database.query(
        `select from pg_stat_activity
         where datname = current_database() and state = 'active' and query like '%pg_sleep%' and pid <> pg_backend_pid()`,
      )
      return rowCount
    }
    await expect.poll(sleeping).toBe(1)
    const reply = await slow
    expect([reply.status, reply.headers.get('retry-after')]).toEqual([503, '1'])
    const requestId = reply.headers.get('x-request-id')
    expect(await reply.json()).toMatchObject({ code: 'request_timeout', requestId })
    await expect.poll(sleeping).toBe(0)
  } finally {
    await database.end()
  }
}

/** As another process of the same application would. */
async function takeAll(redisUrl: string, key: string): Promise<void> {
  const redis = await connectRedis(redisUrl)
  try {
    const { granted } = await createRedisTokenStore(redis, 'scratch').take(key, 2, { tokensPerSec: 0.01, burst: 2 })
    expect(granted).toBe(2)
  } finally {
    redis.disconnect()
  }
}

test('cache and publisher start, and hotpath/express loads, where nothing is installed besides the package', async ({
  pusher,
}) => {
  const settings = { app: appOf(pusher) }
  await using listener = await connectRealtimeClient({ pusher, authUrl: 'http://127.0.0.1:9', token: '' })
  await listener.subscribe('alone')
  const main = await installAlone(
    tarball,
    `import { cacheKey, startOptimizations } from 'hotpath'
     const cache = { namespace: 'alone' }
     const pusher = { app: JSON.parse(process.argv[2]).app }
     const both = await startOptimizations({ cache, pusher }, { onError: console.error })
     // In place of the server that keeps an application running.
     const serving = setInterval(() => undefined, 60_000)
     process.on('SIGTERM', async () => {
       console.log(JSON.stringify({ stopped: (await both.stop()).status }))
       clearInterval(serving)
     })
     await both.publisher.publish('alone', 'said', {})
     const value = await both.cache.getOrSet(cacheKey('a'), () => 'kept')
     const refused = await import('hotpath/database').catch(({ code }) => code)
     const { createDrain } = await import('hotpath/express')
     console.log(JSON.stringify({ value, refused, draining: createDrain().draining }))`,
  )
  try {
    await using running = await startApplication({ node: process.execPath, main, settings })
    if (running.said.length > 0) await expect.poll(() => listener.received.length).toBe(1)
    running.terminate()
    await running.exited
    expect(running.errors).toBe('')
    expect(running.said).toEqual([
      { value: 'kept', refused: 'ERR_MODULE_NOT_FOUND', draining: false },
      { stopped: 'completed' },
    ])
  } finally {
    await rm(path.dirname(main), { recursive: true, force: true })
  }
})
