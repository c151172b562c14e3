import { SchoolIndex } from '#fixtures/data/school-index.ts'
import { seededSchool } from '#fixtures/data/seed.ts'
import type { ApiClient } from '#fixtures/playwright/api-client.ts'
import { expect, test } from '#fixtures/test.ts'

const school = new SchoolIndex(seededSchool())
const OVERVIEW = '/api/v1/dashboard/overview'

interface Part {
  readonly status: 'ok' | 'unavailable'
  readonly reason?: string
  readonly data?: unknown
}

async function partsOf(client: ApiClient, path = OVERVIEW): Promise<Record<string, Part>> {
  const { status, body } = await client.get(path)
  expect(status).toBe(200)
  return body['parts'] as Record<string, Part>
}

test('a teacher sees the own classes with their students, as the database counts them', async ({ app, sql }) => {
  const parts = await partsOf(await app.signIn('teacher5'))
  const truth = await sql(
    `select c.id, (select count(*)::int from enrollments e where e.school_class_id = c.id and e.status = 'active')
       as "studentCount" from school_classes c where c.teacher_id = $1 order by c.name, c.id`,
    [school.userId('teacher5')],
  )
  expect(parts['classes']?.data).toMatchObject(truth)
})

test('a student’s own work shows at once, and the teacher’s counts move with it', async ({ app, sql }) => {
  const { id: classId } = school.classOf('student36')
  const [student, teacher] = [await app.signIn('student36'), await app.signIn(school.teacherOf(classId))]
  const lesson = school.lesson(classId)
  const assessment = school.assessment(classId, 'published')
  await sql(`update assessments set due_at = now() + interval '2 days' where id = $1`, [assessment.id])
  const submitted = async (): Promise<number> => {
    const { data } = (await partsOf(teacher))['assessments'] ?? {}
    return (data as { id: string; submitted: number }[]).find(({ id }) => id === assessment.id)?.submitted ?? -1
  }
  await (await app.signIn('admin')).delete(`/api/v1/admin/cache/tags/class:${classId}`)
  await partsOf(student)
  const before = await submitted()

  await student.put(`/api/v1/lessons/${lesson.id}/progress`, { percent: 100, timeSpentSec: 60 })
  const progress = (await partsOf(student))['progress']?.data as { classId: string; completed: number }[]
  expect(progress.find((one) => one.classId === classId)?.completed).toBe(1)

  await student.post(`/api/v1/assessments/${assessment.id}/submissions`, { answers: [] })
  const due = (await partsOf(student))['assessments']?.data as { id: string; attempts: number }[]
  expect(due.find(({ id }) => id === assessment.id)?.attempts).toBe(1)
  expect(await submitted()).toBe(before + 1)
})

test('an overview comes from the cache until something in it changes', async ({ app, sql }) => {
  const student = await app.signIn('student37')
  const first = await student.get(OVERVIEW)
  await sql('update users set streak_days = 99 where id = $1', [school.userId('student37')])
  const second = await student.get(OVERVIEW, { 'if-none-match': first.headers.get('etag') ?? '' })
  expect(second.status).toBe(304)
})

test('a part that fails is flagged and not zeroed, the others stay, and it is back as soon as it works', async ({
  app,
  redis,
  sql,
}) => {
  const [student, admin] = [await app.signIn('student38'), await app.signIn('admin')]
  await redis.reset()
  await sql('alter table submissions rename to submissions_away')
  try {
    const { body } = await student.get(OVERVIEW)
    expect(body['isComplete']).toBe(false)
    expect(body['parts']).toMatchObject({
      progress: { status: 'ok' },
      standing: { status: 'ok' },
      assessments: { status: 'unavailable', reason: 'failed' },
    })
    const metrics = (await admin.get('/api/v1/metrics/dashboard?refresh=true')).body
    expect(metrics).toMatchObject({
      isComplete: false,
      parts: { users: { status: 'ok' }, assessments: { status: 'unavailable' }, content: { status: 'ok' } },
    })
    expect(JSON.stringify([body, metrics])).not.toMatch(/relation|submissions_away/)
  } finally {
    await sql('alter table submissions_away rename to submissions')
  }
  expect((await student.get(OVERVIEW)).body).toMatchObject({
    isComplete: true,
    parts: { assessments: { status: 'ok' } },
  })
  expect((await admin.get('/api/v1/metrics/dashboard')).body).toMatchObject({ isComplete: true })
})

test('a part that is late is flagged at the deadline', async ({ app, redis, sql }) => {
  const student = await app.signIn('student39')
  await redis.reset()
  // Whoever holds the table makes its readers wait; the statement ends by itself, so that the lock does too.
  const locked = sql(`do $$ begin lock table lesson_progress in access exclusive mode; perform pg_sleep(3); end $$`)
  await expect
    .poll(
      async () =>
        (
          await sql(`select 1 from pg_locks where mode = 'AccessExclusiveLock' and granted
      and relation = 'lesson_progress'::regclass`)
        ).length,
    )
    .toBe(1)
  expect(await partsOf(student)).toMatchObject({
    progress: { status: 'unavailable', reason: 'late' },
    standing: { status: 'ok' },
  })
  await locked
})

test('the metrics are kept until a refresh, which is for everybody', async ({ app, sql }) => {
  const admin = await app.signIn('admin')
  const { body: before } = await admin.get('/api/v1/metrics/dashboard?refresh=true')
  await sql('update content_items set view_count = view_count + 1000')
  expect((await admin.get('/api/v1/metrics/dashboard')).body).toEqual(before)
  const { body: after } = await admin.get('/api/v1/metrics/dashboard?refresh=true')
  const views = (body: Readonly<Record<string, unknown>>): number =>
    (body['parts'] as { content: { data: { views: number } } }).content.data.views
  expect(views(after)).toBeGreaterThan(views(before))
  expect((await admin.get('/api/v1/metrics/dashboard')).body).toEqual(after)
})

test('the activity has 24 hours, empty ones too, and what happened in each', async ({ app, redis, sql }) => {
  const admin = await app.signIn('admin')
  await redis.reset()
  const { body } = await admin.get('/api/v1/metrics/activity')
  const hours = body['hours'] as { hour: string; submissions: number }[]
  const stamps = hours.map(({ hour }) => Date.parse(hour))
  expect(stamps.slice(1).map((stamp, i) => stamp - (stamps[i] ?? 0))).toEqual(
    Array.from({ length: 23 }, () => 3_600_000),
  )
  const truth = await sql<{ hour: Date; n: number }>(
    `select date_trunc('hour', submitted_at) as hour, count(*)::int as n from submissions
     where submitted_at >= $1 group by 1 order by 1`,
    [hours[0]?.hour],
  )
  expect(hours.filter(({ submissions }) => submissions > 0)).toMatchObject(
    truth.map(({ hour, n }) => ({ hour: hour.toISOString(), submissions: n })),
  )
  expect(body['total']).toMatchObject({ submissions: truth.reduce((sum, { n }) => sum + n, 0) })
})
