import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { reporters } from '#fixtures/faults/breakable-app.ts'
import type { BreakableApp } from '#fixtures/faults/breakable-app.ts'
import { test } from '#fixtures/faults/breakable-fixtures.ts'
import { createClassRequest, StopLoad, type SentWrite } from '#fixtures/faults/stop-load.ts'
import { RawConnection } from '#fixtures/edges/raw-connection.ts'
import { seededSchool } from '#fixtures/data/seed.ts'
import type { ServerProcess } from '#fixtures/playwright/server-process.ts'
import { expect } from '#fixtures/test.ts'

const several = reporters(4)

async function query<Row extends object>(url: string, text: string, values: string[] = []): Promise<Row[]> {
  const database = new Client(url)
  await database.connect()
  try {
    return (await database.query<Row>(text, values)).rows
  } finally {
    await database.end()
  }
}

async function waitingEvents(databaseUrl: string): Promise<number> {
  const rows = await query<{ n: number }>(
    databaseUrl,
    'select count(*)::int as n from hotpath_outbox where delivered_at is null',
  )
  return rows[0]?.n ?? -1
}

/** Progress, each with an event, while Pusher takes none. Answers how to bring Pusher back. */
async function writeWithoutPusher(breakable: BreakableApp, server: ServerProcess): Promise<() => Promise<void>> {
  const [reporter] = several
  if (reporter === undefined) throw new RangeError('nobody reports')
  const gone = await breakable.pusherLink.inject({ kind: 'refuse' })
  breakable.pusherLink.reset()
  const client = await breakable.clientOf(server, reporter.username)
  for (let timeSpentSec = 1; timeSpentSec <= 20; timeSpentSec += 1) {
    const { status } = await client.put(`/api/v1/lessons/${reporter.lessonId}/progress`, { percent: 5, timeSpentSec })
    expect(status).toBe(200)
  }
  expect(await waitingEvents(breakable.databaseUrl)).toBeGreaterThan(0)
  return () => gone.end()
}

interface Tally {
  answered: number
  refused: number
  broken: string[]
}

test('SIGTERM under load: every accepted request is answered, and the event of each write is delivered', async ({
  breakable,
}) => {
  test.setTimeout(60_000)
  await using server = await breakable.startServer({ DRAIN_GRACE_MS: '300' })
  // It delivers what the first leaves in the outbox, as the other processes of a deployment would.
  await using survivor = await breakable.startServer()
  const writers = await Promise.all(several.map(({ username }) => breakable.clientOf(server, username)))
  await using subscribers = new AsyncDisposableStack()
  const listening = await Promise.all(
    several.map(async (reporter) => subscribers.use(await breakable.subscribe(survivor, reporter))),
  )

  const tallies = several.map((): Tally => ({ answered: 0, refused: 0, broken: [] }))
  const over = new AbortController()
  const load = several.flatMap(({ lessonId }, at) =>
    Array.from({ length: 3 }, async () => {
      const tally = tallies[at] as Tally
      for (let timeSpentSec = 1; !over.signal.aborted; timeSpentSec += 1) {
        try {
          const reply = await writers[at]?.put(`/api/v1/lessons/${lessonId}/progress`, { percent: 5, timeSpentSec })
          if (reply?.status === 200) tally.answered += 1
          else tally.broken.push(`status ${reply?.status}`)
        } catch (error) {
          const { code } = error as { code?: string }
          // Nobody has taken the connection. Anything else is a request that was taken and not answered.
          if (code === 'ECONNREFUSED') tally.refused += 1
          else tally.broken.push(String(code))
          await sleep(5)
        }
      }
    }),
  )
  await expect.poll(() => tallies.every(({ answered }) => answered > 20)).toBe(true)
  server.kill('SIGTERM')
  expect(await server.exited).toBe(0)
  over.abort()
  await Promise.all(load)

  expect(tallies.flatMap(({ broken }) => broken)).toEqual([])
  const counts = (): (number | undefined)[] => listening.map(({ received }) => received.length)
  const answered = tallies.map((tally) => tally.answered)
  // Once nothing waits any more, what is still to come is on the wire.
  await expect.poll(() => waitingEvents(breakable.databaseUrl), { timeout: 20_000 }).toBe(0)
  await expect.poll(counts).toEqual(answered)
  expect(server.output()).toContain('"outcome":"drained"')
  expect(server.output()).toContain('"abandonedEvents":0')
})

const teacher = seededSchool().users.find(({ role }) => role === 'teacher')?.username ?? ''
const SLOW_HEAD = 'GET /health/live HTTP/1.1\r\nho'
const WORKERS = 20

/** When the line was logged, in the time of this machine. */
function loggedAt(server: ServerProcess, message: string): number {
  const line = server
    .output()
    .split('\n')
    .find((text) => text.includes(`"msg":"${message}"`))
  return line === undefined ? Number.NaN : (JSON.parse(line) as { time: number }).time
}

const codesOf = ({ replies }: RawConnection): unknown[] =>
  replies.map(({ status, body }) => (status < 400 ? status : (JSON.parse(body) as { code: string }).code))

interface StoppedRun {
  readonly writes: readonly SentWrite[]
  readonly listenerClosedAt: number
  readonly exitCode: number | null
  readonly stopMs: number
}

/** One server from its start to its end by SIGTERM, with every kind of connection open when the signal comes. */
async function stopUnderLoad(breakable: BreakableApp, prefix: string): Promise<StoppedRun> {
  await using server = await breakable.startServer({
    DRAIN_GRACE_MS: '200',
    DRAIN_TIMEOUT_MS: '4000',
    RATE_LIMIT_PER_USER: '0',
    // On a machine that is busy with other things, only the stop ends what is half-sent.
    HEADERS_TIMEOUT_MS: '120000',
    REQUEST_TIMEOUT_MS: '120000',
  })
  const token = breakable.tokenOf(teacher)
  const connect = async (bytes = ''): Promise<RawConnection> => {
    const connection = await RawConnection.open(server.url)
    connection.send(bytes)
    return connection
  }
  const upload = (name: string): string => createClassRequest(`${prefix}-${name}`, token)
  using idle = await connect()
  using half = await connect(SLOW_HEAD)
  using slow = await connect(upload('slow').slice(0, -10))
  using stuck = await connect(upload('stuck').slice(0, -10))
  const load = new StopLoad({ url: server.url, token, workers: WORKERS, prefix })
  await expect.poll(() => load.writes.length, { timeout: 30_000 }).toBeGreaterThan(2 * WORKERS)
  const signalledAt = performance.now()
  server.kill('SIGTERM')
  await expect.poll(() => loggedAt(server, 'listener closed'), { intervals: [5] }).not.toBeNaN()
  slow.send(upload('slow').slice(-10))
  const exitCode = await server.exited
  const stopMs = performance.now() - signalledAt
  await load.ended()
  for (const connection of [idle, half, slow, stuck]) expect(await connection.ended).toBe('closed')
  expect([idle, half, slow, stuck].map(codesOf)).toEqual([[], ['shutting_down'], [201], ['shutting_down']])
  return { writes: load.writes, listenerClosedAt: loggedAt(server, 'listener closed'), exitCode, stopMs }
}

test('whenever SIGTERM comes under writes on kept connections, nothing that was sent before the listener closed is reset, and nothing is executed unanswered', async ({
  breakable,
  intensity,
}) => {
  const stops = Math.round(200 * intensity)
  test.setTimeout(60_000 + stops * 10_000)
  const resets: unknown[] = []
  let answered = 0
  let laterResets = 0
  const pending = Array.from({ length: stops }, (_, at) => `stop-${at}`)
  const run = async (): Promise<void> => {
    for (let prefix = pending.pop(); prefix !== undefined; prefix = pending.pop()) {
      const { writes, listenerClosedAt, exitCode } = await stopUnderLoad(breakable, prefix)
      expect(exitCode).toBe(0)
      const rows = await query<{ name: string }>(
        breakable.databaseUrl,
        'select name from school_classes where name like $1',
        [`${prefix}-%`],
      )
      const executed = new Set(rows.map(({ name }) => name))
      expect(executed).toContain(`${prefix}-slow`)
      const unanswered = writes.filter(({ name, outcome }) => typeof outcome === 'string' && executed.has(name))
      expect(unanswered).toEqual([])
      const lost = writes.filter(({ name, outcome }) => outcome === 201 && !executed.has(name))
      expect(lost).toEqual([])
      const broken = writes.filter(({ outcome }) => outcome !== 201)
      resets.push(...broken.filter(({ sentAt }) => sentAt <= listenerClosedAt))
      laterResets += broken.filter(({ sentAt }) => sentAt > listenerClosedAt).length
      answered += writes.length - broken.length
    }
  }
  await Promise.all([run(), run()])
  test
    .info()
    .annotations.push({ type: 'stops', description: `${stops}: ${answered} answered, ${laterResets} refused later` })
  expect(resets).toEqual([])
  // Nobody waits long enough between two requests for his connection to be closed meanwhile.
  expect(laterResets).toBe(0)
})

test('where nothing is in flight a stop takes at most two seconds, silent and half-sent connections or not', async ({
  breakable,
}) => {
  await using server = await breakable.startServer({ DRAIN_GRACE_MS: '500' })
  const connections = await Promise.all(Array.from({ length: 20 }, () => RawConnection.open(server.url)))
  for (const connection of connections.slice(0, 10)) connection.send(SLOW_HEAD)
  const startedAt = performance.now()
  server.kill('SIGTERM')
  expect(await server.exited).toBe(0)
  expect(performance.now() - startedAt).toBeLessThan(2_000)
  for (const connection of connections) expect(await connection.ended).toBe('closed')
})

test('with uploads and statements that never end, and Pusher gone, a stop still ends by itself within the ten seconds that docker gives it', async ({
  breakable,
}) => {
  test.setTimeout(60_000)
  await using server = await breakable.startServer({ DRAIN_GRACE_MS: '500' })
  const token = breakable.tokenOf(teacher)
  const locker = new Client(breakable.databaseUrl)
  await locker.connect()
  const bringPusherBack = await writeWithoutPusher(breakable, server)
  using writing = await RawConnection.open(server.url)
  using stuck = await RawConnection.open(server.url)
  try {
    expect(await writing.exchange(createClassRequest('ten-seconds', token))).toMatchObject({ status: 201 })
    await locker.query('begin')
    await locker.query('lock table school_classes in access exclusive mode')
    writing.send(createClassRequest('ten-seconds-locked', token))
    stuck.send(createClassRequest('ten-seconds-stuck', token).slice(0, -10))
    await expect
      .poll(async () => {
        const waiting = `select 1 as one from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`
        return (await query(breakable.databaseUrl, waiting)).length
      })
      .toBeGreaterThan(0)
    const startedAt = performance.now()
    server.kill('SIGTERM')
    expect(await server.exited).toBe(0)
    expect(performance.now() - startedAt).toBeLessThan(10_000)
    for (const connection of [writing, stuck]) expect(await connection.ended).toBe('closed')
    expect([writing, stuck].map(codesOf)).toEqual([[201, 'shutting_down'], ['shutting_down']])
    expect(server.output()).toContain('"outcome":"cut off"')
  } finally {
    await locker.query('rollback')
    await locker.end()
    await bringPusherBack()
  }
  const executed = await query(breakable.databaseUrl, `select name from school_classes where name like 'ten-seconds-%'`)
  expect(executed).toEqual([])
})

test('an upload that never ends keeps no event that waited from being sent before the process ends', async ({
  breakable,
}) => {
  test.setTimeout(60_000)
  await using server = await breakable.startServer({ DRAIN_GRACE_MS: '500' })
  const token = breakable.tokenOf(teacher)
  const bringPusherBack = await writeWithoutPusher(breakable, server)
  using stuck = await RawConnection.open(server.url)
  stuck.send(createClassRequest('events-stuck', token).slice(0, -10))
  server.kill('SIGTERM')
  await expect.poll(() => loggedAt(server, 'listener closed')).not.toBeNaN()
  await bringPusherBack()
  expect(await server.exited).toBe(0)
  expect(await waitingEvents(breakable.databaseUrl)).toBe(0)
  expect(await stuck.ended).toBe('closed')
  expect(codesOf(stuck)).toEqual(['shutting_down'])
  expect(server.output()).toContain('"outcome":"cut off"')
})
