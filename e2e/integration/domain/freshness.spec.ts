import { Client } from 'pg'
import { SchoolIndex } from '#fixtures/data/school-index.ts'
import { seededSchool } from '#fixtures/data/seed.ts'
import { endpointCalls } from '#fixtures/edges/endpoint-calls.ts'
import { ApiClient, type ApiReply } from '#fixtures/playwright/api-client.ts'
import { startServerProcess } from '#fixtures/playwright/server-process.ts'
import { expect, test } from '#fixtures/test.ts'

const school = new SchoolIndex(seededSchool())
const { id: classId } = school.classOf('student1')
const teacher = school.teacherOf(classId)
const studentId = school.userId('student1')

/** What is kept and shows something that the writes below change, each as somebody who may see it. */
function readings(): readonly (readonly [username: string, path: string])[] {
  const { id: lessonId } = school.lesson(classId)
  const { id: assessmentId } = school.assessment(classId, 'published')
  const people = ['admin', teacher, 'student1', 'student2']
  const of = (path: string, ...usernames: string[]) => usernames.map((username) => [username, path] as const)
  return [
    ...of('/dashboard/overview', teacher, 'student1', 'student2'),
    ...of('/classes?limit=100', ...people),
    ...of(`/classes/${classId}`, ...people),
    ...of(`/classes/${classId}/students`, 'admin', teacher),
    ...of('/lessons', ...people),
    ...of(`/lessons/${lessonId}`, ...people),
    ...of(`/assessments/${assessmentId}`, ...people),
    ...of(`/assessments/${assessmentId}/statistics`, 'admin', teacher),
    ...of('/content?limit=100', ...people),
    ...of('/notifications', ...people),
    ...of(`/leaderboard?classId=${classId}`, 'admin', teacher, 'student1'),
  ]
}

type As = (username: string) => Promise<ApiClient>

/** Every write of the API to this class, beside those of `endpointCalls`, which make classes of their own. */
function writesToTheClass(): readonly (readonly [what: string, write: (as: As) => Promise<ApiReply>])[] {
  const path = `/api/v1/classes/${classId}`
  const change = async (as: As, fields: object): Promise<ApiReply> => {
    const client = await as(teacher)
    const { body } = await client.get(path)
    return client.patch(path, { version: body['version'], ...fields })
  }
  return [
    ['a class gets another name', (as) => change(as, { name: `Renamed ${Date.now()}` })],
    ['a class is closed', (as) => change(as, { isActive: false })],
    ['a class is opened again', (as) => change(as, { isActive: true })],
    ['a student is dropped', async (as) => (await as(teacher)).delete(`${path}/enrollments/${studentId}`)],
    ['a student is enrolled again', async (as) => (await as(teacher)).post(`${path}/enrollments`, { studentId })],
  ]
}

test('once a write is answered, every reading that shows what it changed is what a server without a cache answers, in two processes', async ({
  app,
  serverEnvironment,
  seededDatabase,
}) => {
  test.setTimeout(180_000)
  const start = (changes: Record<string, string> = {}) =>
    startServerProcess({ environment: { ...serverEnvironment, ...changes }, startTimeoutMs: 60_000 })
  await using other = await start()
  await using uncached = await start({ OPTIMIZE_CACHE: 'off' })
  const as =
    (url: string): As =>
    async (username) =>
      new ApiClient(url, (await app.session(username)).token)
  const read = async (url: string): Promise<Record<string, unknown>> => {
    const answers: Record<string, unknown> = {}
    for (const [username, path] of readings()) {
      const { status, body } = await (await as(url)(username)).get(`/api/v1${path}`)
      const { requestId: _own, ...shown } = body
      answers[`${username} ${path}`] = { status, ...shown }
    }
    return answers
  }
  const calls = endpointCalls(school).filter(({ endpoint, isSlow }) => !endpoint.startsWith('GET') && isSlow !== true)
  const writes = [
    ...writesToTheClass(),
    ...calls.map(({ endpoint, prepare }, n) => [endpoint, async (who: As) => (await prepare(who, n + 40))()] as const),
  ]
  expect(writes.length).toBeGreaterThan(12)
  for (const [what, write] of writes) {
    // Everything is kept by both before.
    await Promise.all([read(app.url), read(other.url)])
    const { status } = await write(as(app.url))
    expect(status, what).toBeLessThan(300)
    const [here, there, truth] = await Promise.all([read(app.url), read(other.url), read(uncached.url)])
    expect(here, `${what}, in the process that wrote`).toEqual(truth)
    expect(there, `${what}, in another process`).toEqual(truth)
  }
  await seededDatabase.reset()
})

/** Holds what an event to the channel waits for, and with it the transaction that publishes it. */
async function holdChannel(databaseUrl: string, channel: string) {
  const client = new Client(databaseUrl)
  await client.connect()
  await client.query('begin')
  await client.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`hotpath_outbox:${channel}`])
  return { [Symbol.asyncDispose]: () => client.end() }
}

test('a roster that somebody joined while they earned experience elsewhere shows what they earned', async ({
  app,
  sql,
  seededDatabase,
}) => {
  const student = 'student3'
  const { id: earnsIn } = school.classOf(student)
  const owner = school.teacherOf(earnsIn)
  const { id: assessmentId } = school.assessment(earnsIn, 'published')
  const answers = school
    .questions(assessmentId)
    .map((row) => ({ questionId: row.id, answer: row.correctAnswer ?? 'So.' }))
  const other = school.school.users.find(({ role, username }) => role === 'teacher' && username !== owner)
  const [client, coach] = await Promise.all([app.signIn(student), app.signIn(other?.username ?? '')])
  const made = await coach.post('/api/v1/classes', { name: 'Rowing', subject: 'Games', gradeLevel: 6 })
  const joined = `/api/v1/classes/${made.body['id'] as string}`
  const waiting = async () =>
    (await sql(`select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`)).length
  let submitted
  let enrolled
  {
    await using _held = await holdChannel(seededDatabase.url, `private-user-${school.userId(owner)}`)
    submitted = client.post(`/api/v1/assessments/${assessmentId}/submissions`, { answers })
    await expect.poll(waiting).toBe(1)
    let isAnswered = false
    enrolled = coach.post(`${joined}/enrollments`, { studentId: school.userId(student) }).then(async ({ status }) => {
      await coach.get(`${joined}/students`)
      isAnswered = true
      return status
    })
    // Either it waits for the award, or it is done before it.
    await expect.poll(async () => isAnswered || (await waiting()) > 1).toBe(true)
  }
  const { status, body } = await submitted
  expect([status, await enrolled]).toEqual([201, 200])
  expect(body['xpAwarded']).toBeGreaterThan(0)
  const [truth] = await sql('select xp from users where id = $1', [school.userId(student)])
  expect((await coach.get(`${joined}/students`)).body['students']).toMatchObject([truth])
})
