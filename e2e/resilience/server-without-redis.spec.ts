import { Client } from 'pg'
import { SchoolIndex } from '#fixtures/data/school-index.ts'
import { seededSchool } from '#fixtures/data/seed.ts'
import { reporters } from '#fixtures/faults/breakable-app.ts'
import { test } from '#fixtures/faults/breakable-fixtures.ts'
import { expect } from '#fixtures/test.ts'

const school = new SchoolIndex(seededSchool())
const [reporter] = reporters(1)
const lesson = `/api/v1/lessons/${reporter?.lessonId}`
const username = reporter?.username ?? ''

for (const [how, breakIt, mendIt] of [
  ['gone', 'kill', 'restart'],
  ['frozen', 'freeze', 'thaw'],
] as const) {
  test(`with Redis ${how}, readers and writers are served, the limits let pass, and all mends itself`, async ({
    breakable,
  }) => {
    const { redis } = breakable.processes
    await using server = await breakable.startServer()
    const client = await breakable.clientOf(server, username)
    expect((await client.get(lesson)).status).toBe(200)

    await redis[breakIt]()
    try {
      for (let percent = 1; percent <= 5; percent += 1) {
        expect((await client.get(lesson)).status).toBe(200)
        expect((await client.put(`${lesson}/progress`, { percent, timeSpentSec: percent })).status).toBe(200)
      }
      await expect.poll(async () => (await client.get('/health/ready')).body['status']).toBe('degraded')
      const ready = await client.get('/health/ready')
      expect(ready.status).toBe(200)
      expect(ready.body['reasons']).toEqual([expect.stringMatching(/^cache: /)])
      await expect
        .poll(async () => {
          await client.get(lesson)
          const { body } = await client.get('/metrics/performance')
          return (body['rateLimits'] as { user: { failedOpen: number } }).user.failedOpen
        })
        .toBeGreaterThan(0)
    } finally {
      await redis[mendIt]()
    }
    await expect
      .poll(async () => (await client.get('/health/ready')).body['status'], { timeout: 20_000 })
      .toBe('healthy')
    const hits = async () => ((await client.get('/metrics/performance')).body['cache'] as { hits: number }).hits
    const before = await hits()
    await expect
      .poll(async () => {
        await client.get(lesson)
        return (await hits()) - before
      })
      .toBeGreaterThan(0)
    expect(server.output()).not.toContain('"request failed"')
  })
}

test('with Redis gone, rankings come from the database, and nothing that was earned meanwhile is missing afterwards', async ({
  breakable,
}) => {
  const { redis } = breakable.processes
  await using server = await breakable.startServer()
  const { id: classId } = school.classOf('student8')
  const { id: assessmentId } = school.assessment(classId, 'published')
  const client = await breakable.clientOf(server, 'student8')
  const own = async () => (await client.get(`/api/v1/leaderboard?classId=${classId}`)).body['own']
  const before = ((await own()) as { score: number } | null)?.score ?? 0
  const answers = school
    .questions(assessmentId)
    .map(({ id, correctAnswer }) => ({ questionId: id, answer: correctAnswer ?? 'So.' }))
  await redis.kill()
  let earned = 0
  try {
    const { status, body } = await client.post(`/api/v1/assessments/${assessmentId}/submissions`, { answers })
    expect(status).toBe(201)
    earned = body['xpAwarded'] as number
    expect(earned).toBeGreaterThan(0)
    expect(await own()).toMatchObject({ score: before + earned })
  } finally {
    await redis.restart()
  }
  await expect.poll(async () => (await client.get('/health/ready')).body['status'], { timeout: 20_000 }).toBe('healthy')
  expect(await own()).toMatchObject({ score: before + earned })
})

test('what is invalidated while Redis is frozen is accepted, and no old value is read once Redis is back', async ({
  breakable,
}) => {
  const { redis } = breakable.processes
  await using server = await breakable.startServer()
  const admin = await breakable.clientOf(server, 'admin')
  const { title } = (await admin.get(lesson)).body
  const database = new Client(breakable.databaseUrl)
  await database.connect()
  try {
    await redis.freeze()
    await database.query('update lessons set title = $1 where id = $2', ['Changed in the meantime', reporter?.lessonId])
    const reply = await admin.send('DELETE', `/api/v1/admin/cache/tags/lesson:${reporter?.lessonId}`)
    expect(reply.status).toBe(202)
    expect(reply.body).toMatchObject({ acknowledged: false })
  } finally {
    await redis.thaw()
  }
  try {
    await expect
      .poll(async () => (await admin.get('/health/ready')).body['status'], { timeout: 20_000 })
      .toBe('healthy')
    await expect.poll(async () => (await admin.get(lesson)).body['title']).toBe('Changed in the meantime')
    // A process that comes new to it reads what is in Redis, and that is not the old value either.
    await using other = await breakable.startServer()
    expect((await (await breakable.clientOf(other, 'admin')).get(lesson)).body['title']).toBe('Changed in the meantime')
  } finally {
    await database.query('update lessons set title = $1 where id = $2', [title, reporter?.lessonId])
    await database.end()
    await admin.send('DELETE', `/api/v1/admin/cache/tags/lesson:${reporter?.lessonId}`)
  }
})

test('a server that starts while Redis is gone serves at once, and uses Redis when it comes', async ({ breakable }) => {
  const { redis } = breakable.processes
  await redis.kill()
  try {
    await using server = await breakable.startServer()
    const client = await breakable.clientOf(server, username)
    expect((await client.get(lesson)).status).toBe(200)
    expect((await client.get('/health/performance')).body['start']).toMatchObject({ status: 'partial' })
    await redis.restart()
    await expect
      .poll(async () => (await client.get('/health/performance')).body['start'], { timeout: 20_000 })
      .toMatchObject({ status: 'completed' })
  } finally {
    if (!redis.isRunning) await redis.restart()
  }
})
