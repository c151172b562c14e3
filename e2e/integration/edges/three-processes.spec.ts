import { Client } from 'pg'
import { reporters } from '#fixtures/faults/breakable-app.ts'
import { startRoundRobin } from '#fixtures/edges/round-robin.ts'
import { ApiClient } from '#fixtures/playwright/api-client.ts'
import { startServerProcess } from '#fixtures/playwright/server-process.ts'
import { expect, test } from '#fixtures/test.ts'

const PROCESSES = 3

// One after the other: three servers at a time are enough for two cores.
test.describe.configure({ mode: 'default', timeout: 90_000 })

/** Three servers on the same services, behind one address that takes them in turn. */
async function startThree(environment: Readonly<Record<string, string>>) {
  await using starting = new AsyncDisposableStack()
  const servers = await Promise.all(
    Array.from({ length: PROCESSES }, async () =>
      starting.use(await startServerProcess({ environment, startTimeoutMs: 60_000 })),
    ),
  )
  const balancer = starting.use(await startRoundRobin(servers.map(({ url }) => url)))
  const running = starting.move()
  return { servers, url: balancer.url, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

/** So that the next request takes a connection of its own, and with it the next process. */
const ALONE = { connection: 'close' }

test('an invalidation through one process ends the value in all of them, before it is answered', async ({
  app,
  serverEnvironment,
  seededDatabase,
}) => {
  await using three = await startThree(serverEnvironment)
  const [reporter] = reporters(1)
  const { token } = await app.session('admin')
  const clients = three.servers.map(({ url }) => new ApiClient(url, token))
  const path = `/api/v1/lessons/${reporter?.lessonId}`
  const titles = (): Promise<unknown[]> =>
    Promise.all(clients.map(async (client) => (await client.get(path)).body['title']))
  const [original] = await titles()
  const database = new Client(seededDatabase.url)
  await database.connect()
  const write = async (title: unknown, through: number): Promise<void> => {
    await database.query('update lessons set title = $1 where id = $2', [title, reporter?.lessonId])
    const reply = await clients[through % PROCESSES]?.send(
      'DELETE',
      `/api/v1/admin/cache/tags/lesson:${reporter?.lessonId}`,
    )
    expect(reply?.body).toMatchObject({ acknowledged: true })
  }
  try {
    for (let round = 0; round < 12; round += 1) {
      await write(`Round ${round}`, round)
      // Twice: the second time from the memory of each process.
      expect(await titles()).toEqual(Array(PROCESSES).fill(`Round ${round}`))
      expect(await titles()).toEqual(Array(PROCESSES).fill(`Round ${round}`))
    }
  } finally {
    await write(original, 0)
    await database.end()
  }
})

test('a limit holds for all processes together', async ({ app, serverEnvironment }) => {
  // A refill too slow to be seen: what passes is the burst, however it is spread over the processes.
  await using three = await startThree({
    ...serverEnvironment,
    RATE_LIMIT_PER_USER: '1',
    RATE_LIMIT_BURST_SEC: '30',
  })
  const { token } = await app.session('student12')
  const client = new ApiClient(three.url, token)
  const startedAt = Date.now()
  const replies = await Promise.all(Array.from({ length: 90 }, () => client.get('/api/v1/lessons', ALONE)))
  const refilled = Math.ceil((Date.now() - startedAt) / 1_000)
  const count = (status: number): number => replies.filter((reply) => reply.status === status).length
  const limits = await Promise.all(
    three.servers.map(async ({ url }) => {
      const { body } = await new ApiClient(url).get('/metrics/performance')
      return (body['rateLimits'] as { user: { allowed: number; failedOpen: number } }).user
    }),
  )
  expect(limits.every(({ allowed }) => allowed > 0)).toBe(true)
  // On a machine that is busy enough, Redis answers too late: what was let pass for that is counted.
  const failedOpen = limits.reduce((sum, one) => sum + one.failedOpen, 0)
  expect(count(200)).toBeGreaterThanOrEqual(30)
  expect(count(200) - failedOpen).toBeLessThanOrEqual(30 + refilled)
  expect(count(200) + count(429)).toBe(replies.length)
})

test('the events of writes through all processes are delivered once, and in the order of the commits', async ({
  app,
  serverEnvironment,
  realtime,
}) => {
  await using three = await startThree(serverEnvironment)
  const reporter = reporters(20).at(-1) ?? { username: '', lessonId: '', channel: '' }
  const { token } = await app.session(reporter.username)
  const subscriber = await realtime.connectAs(reporter.username)
  await subscriber.subscribe(reporter.channel)
  const client = new ApiClient(three.url, token)
  for (let percent = 1; percent <= 60; percent += 1) {
    const reply = await client.send('PUT', `/api/v1/lessons/${reporter.lessonId}/progress`, {
      headers: { ...ALONE, 'content-type': 'application/json' },
      body: JSON.stringify({ percent, timeSpentSec: percent }),
    })
    expect(reply.status).toBe(200)
  }
  await expect.poll(() => subscriber.received.length).toBeGreaterThanOrEqual(60)
  const percents = subscriber.received
    .filter(({ event }) => event === 'progress.updated')
    .map(({ data }) => (data as { percent: number }).percent)
  expect(percents).toEqual(Array.from({ length: 60 }, (_, at) => at + 1))
})

test('when one of three ends, the address goes on answering', async ({ app, serverEnvironment }) => {
  await using three = await startThree({ ...serverEnvironment, DRAIN_GRACE_MS: '200' })
  const { token } = await app.session('admin')
  const [first, ...others] = three.servers
  first?.kill('SIGTERM')
  expect(await first?.exited).toBe(0)
  for (const { url } of others) {
    expect((await new ApiClient(url, token).get('/api/v1/lessons')).status).toBe(200)
    expect((await new ApiClient(url).get('/health/ready')).status).toBe(200)
  }
})
