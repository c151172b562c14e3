import { Client } from 'pg'
import { SchoolIndex } from '#fixtures/data/school-index.ts'
import { seededSchool } from '#fixtures/data/seed.ts'
import { reporters } from '#fixtures/faults/breakable-app.ts'
import { startRoundRobin } from '#fixtures/edges/round-robin.ts'
import { ApiClient } from '#fixtures/playwright/api-client.ts'
import { startServerProcess } from '#fixtures/playwright/server-process.ts'
import { expect, test } from '#fixtures/test.ts'

const PROCESSES = 3
/** Tokens of the shared rate limit that each process may hold in advance. */
const CREDIT = 20
const school = new SchoolIndex(seededSchool())

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
  const last = 61
  for (let percent = 1; percent <= last; percent += 1) {
    const reply = await client.send('PUT', `/api/v1/lessons/${reporter.lessonId}/progress`, {
      headers: { ...ALONE, 'content-type': 'application/json' },
      body: JSON.stringify({ percent, timeSpentSec: percent }),
    })
    expect(reply.status).toBe(200)
  }
  const percents = (): number[] =>
    subscriber.received
      .filter(({ event }) => event === 'progress.updated')
      .map(({ data }) => (data as { percent: number }).percent)
  // What comes twice comes before the last one, which is behind it on the channel.
  await expect.poll(() => percents().at(-1)).toBe(last)
  expect(percents()).toEqual(Array.from({ length: last }, (_, at) => at + 1))
})

test('an enrolment that is revoked through one process is over in the others at once, for reading and for listening', async ({
  app,
  serverEnvironment,
}) => {
  await using three = await startThree(serverEnvironment)
  const [student, teacher] = [await app.session('student14'), await app.session('teacher1')]
  const clients = three.servers.map(({ url }) => ({
    student: new ApiClient(url, student.token),
    teacher: new ApiClient(url, teacher.token),
  }))
  const made = await clients[0]?.teacher.post('/api/v1/classes', { name: 'Rowing', subject: 'Games', gradeLevel: 6 })
  const classId = made?.body['id'] as string
  /** What each process says to reading the class and to listening to it. */
  const answers = (): Promise<number[]> =>
    Promise.all(
      clients.flatMap(({ student: its }) => [
        its.get(`/api/v1/classes/${classId}`).then(({ status }) => status),
        ...['private', 'presence'].map(async (kind) => {
          const asked = { socket_id: '1.1', channel_name: `${kind}-class-${classId}` }
          return (await its.post('/api/v1/realtime/auth', asked)).status
        }),
      ]),
    )
  for (let round = 0; round < 9; round += 1) {
    const [writer, other] = [clients[round % PROCESSES], clients[(round + 1) % PROCESSES]]
    await writer?.teacher.post(`/api/v1/classes/${classId}/enrollments`, { studentId: student.userId })
    expect(await answers()).toEqual(clients.flatMap(() => [200, 200, 200]))
    await other?.teacher.delete(`/api/v1/classes/${classId}/enrollments/${student.userId}`)
    expect(await answers()).toEqual(clients.flatMap(() => [404, 403, 403]))
  }
})

test('three processes keep to one rate limit of Pusher together', async ({ app, serverEnvironment, realtime }) => {
  await using three = await startThree({ ...serverEnvironment, RATE_LIMIT_TRIGGERS_PER_USER: '0' })
  const { token, userId } = await app.session('teacher1')
  const { id: classId } = school.classOf('teacher1')
  const listener = await realtime.connectAs('teacher1')
  await listener.subscribe(`private-class-${classId}`)
  const clients = three.servers.map(({ url }) => new ApiClient(url, token))
  const count = 300
  const startedAt = Date.now()
  const sent = clients.flatMap((client, of) =>
    Array.from({ length: count / PROCESSES }, (_, nth) => {
      const data = { at: of + PROCESSES * nth }
      return client.post('/api/v1/realtime/trigger', {
        channel: `private-class-${classId}`,
        event: 'activity.tick',
        data,
      })
    }),
  )
  for (const { status } of await Promise.all(sent)) expect(status).toBe(202)
  await expect.poll(() => listener.received.length, { timeout: 20_000 }).toBe(count)
  // A burst of a hundred and a hundred a second: three limits of their own would let all of it through at once.
  const most = 100 + ((Date.now() - startedAt) / 1_000) * 100
  expect(count).toBeLessThanOrEqual(most + 3 * CREDIT)
  expect(new Set(listener.received.map(({ data }) => (data as { data: { at: number } }).data.at)).size).toBe(count)
  expect(listener.received.every(({ data }) => (data as { from: string }).from === userId)).toBe(true)
})

test('what is earned through all processes is told in at most one event a second', async ({
  app,
  serverEnvironment,
  realtime,
  sql,
}) => {
  await using three = await startThree(serverEnvironment)
  const { id: classId } = school.classOf('teacher3')
  const { id: assessmentId } = school.assessment(classId, 'published')
  await sql('update assessments set max_attempts = 100 where id = $1', [assessmentId])
  const members = new Set(
    school.school.enrollments.filter((row) => row.schoolClass === classId).map((row) => row.student),
  )
  const students = school.school.users.filter(({ id }) => members.has(id)).slice(0, 6)
  const questions = school.questions(assessmentId)
  const listener = await realtime.connectAs('teacher3')
  await listener.subscribe(`private-class-${classId}`)
  const told = () => listener.received.filter(({ event }) => event === 'leaderboard.updated')
  const sessions = await Promise.all(students.map(({ username }) => app.session(username)))
  const startedAt = Date.now()
  for (const solved of [1, 2, 3, 4]) {
    const answers = questions
      .slice(0, solved)
      .map(({ id, correctAnswer }) => ({ questionId: id, answer: correctAnswer ?? 'So.' }))
    await Promise.all(
      sessions.map(({ token }, at) =>
        new ApiClient(three.servers[at % PROCESSES]?.url ?? '', token).post(
          `/api/v1/assessments/${assessmentId}/submissions`,
          { answers },
        ),
      ),
    )
  }
  const ranking = await (await app.signIn('teacher3')).get(`/api/v1/leaderboard?classId=${classId}`)
  const expected = (ranking.body['standings'] as unknown[]).slice(0, 10)
  await expect.poll(() => (told().at(-1)?.data as { top?: unknown } | undefined)?.top).toEqual(expected)
  expect(told().length).toBeLessThanOrEqual(Math.floor((Date.now() - startedAt) / 1_000) + 1)
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
