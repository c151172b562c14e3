import { SchoolIndex } from '#fixtures/data/school-index.ts'
import { seededSchool } from '#fixtures/data/seed.ts'
import type { ApiClient } from '#fixtures/playwright/api-client.ts'
import { expect, test } from '#fixtures/test.ts'

const school = new SchoolIndex(seededSchool())
const ids = (from: number, count: number): string[] =>
  Array.from({ length: count }, (_, i) => school.userId(`student${from + i}`))

/** A class of a teacher's own, so that no test meets another's students. */
async function newClass(teacher: ApiClient, maxStudents: number): Promise<string> {
  const fields = { name: 'Chess', subject: 'Games', gradeLevel: 3, maxStudents }
  return (await teacher.post('/api/v1/classes', fields)).body['id'] as string
}

const enroll = (client: ApiClient, classId: string, body: object) =>
  client.post(`/api/v1/classes/${classId}/enrollments`, body)

test('an enrolled student sees the class at once, in the roster too, and hears of it', async ({ app }) => {
  const [teacher, student] = [await app.signIn('teacher1'), await app.signIn('student21')]
  const classId = await newClass(teacher, 5)
  expect((await student.get(`/api/v1/classes/${classId}`)).status).toBe(404)
  const { unread } = (await student.get('/api/v1/notifications')).body as { unread: number }

  const reply = await enroll(teacher, classId, { studentId: school.userId('student21') })
  expect(reply.status).toBe(200)
  expect(reply.body).toEqual({
    classId,
    enrolled: [school.userId('student21')],
    alreadyEnrolled: [],
    studentCount: 1,
    maxStudents: 5,
  })
  expect((await student.get(`/api/v1/classes/${classId}`)).body).toMatchObject({ studentCount: 1 })
  expect((await student.get('/api/v1/classes?limit=100')).body['items']).toContainEqual(
    expect.objectContaining({ id: classId }),
  )
  const roster = await teacher.get(`/api/v1/classes/${classId}/students`)
  expect(roster.body['students']).toMatchObject([{ id: school.userId('student21') }])
  const news = (await student.get('/api/v1/notifications?limit=1')).body
  expect(news).toMatchObject({ unread: unread + 1, items: [{ kind: 'enrollment', data: { classId }, readAt: null }] })
})

test('a dropped student is out at once, and comes back by enrolling again', async ({ app, sql }) => {
  const [teacher, student] = [await app.signIn('teacher1'), await app.signIn('student22')]
  const classId = await newClass(teacher, 5)
  const studentId = school.userId('student22')
  await enroll(teacher, classId, { studentId })
  expect((await student.get(`/api/v1/classes/${classId}`)).status).toBe(200)

  const path = `/api/v1/classes/${classId}/enrollments/${studentId}`
  expect((await teacher.delete(path)).body).toEqual({ classId, studentId, status: 'dropped' })
  expect((await student.get(`/api/v1/classes/${classId}`)).status).toBe(404)
  expect((await teacher.get(`/api/v1/classes/${classId}/students`)).body['students']).toEqual([])
  expect((await teacher.delete(path)).status).toBe(404)

  expect((await enroll(teacher, classId, { studentId })).body).toMatchObject({ enrolled: [studentId] })
  expect((await student.get(`/api/v1/classes/${classId}`)).status).toBe(200)
  const rows = await sql('select status, dropped_at from enrollments where school_class_id = $1', [classId])
  expect(rows).toEqual([{ status: 'active', dropped_at: null }])
})

test('a hundred at once are enrolled in one go, and those who were in already are told apart', async ({ app }) => {
  const teacher = await app.signIn('teacher1')
  const classId = await newClass(teacher, 200)
  await enroll(teacher, classId, { studentIds: ids(1, 2) })
  const reply = await enroll(teacher, classId, { studentIds: ids(1, 100) })
  expect(reply.body).toMatchObject({ studentCount: 100, alreadyEnrolled: ids(1, 2).toSorted() })
  expect(reply.body['enrolled']).toHaveLength(98)
})

test('all or none: one too many, one unknown, or one who is no student, and nobody is enrolled', async ({ app }) => {
  const teacher = await app.signIn('teacher1')
  const classId = await newClass(teacher, 3)
  const full = await enroll(teacher, classId, { studentIds: ids(1, 4) })
  expect(full.status).toBe(409)
  expect(full.body).toMatchObject({ code: 'conflict', detail: 'The class is full: 0 of 3 places are taken.' })
  for (const stranger of [school.userId('teacher2'), '11111111-1111-4111-8111-111111111111']) {
    const refused = await enroll(teacher, classId, { studentIds: [...ids(1, 1), stranger] })
    expect(refused.status).toBe(400)
    expect(refused.body['detail']).toContain(stranger)
  }
  expect((await teacher.get(`/api/v1/classes/${classId}`)).body).toMatchObject({ studentCount: 0 })
})

test('thirty who want the last ten places at once: ten get one, twenty get 409, and nobody waits for ever', async ({
  app,
  sql,
}) => {
  const teacher = await app.signIn('teacher1')
  const classId = await newClass(teacher, 10)
  const replies = await Promise.all(ids(31, 30).map((studentId) => enroll(teacher, classId, { studentId })))
  const count = (status: number): number => replies.filter((reply) => reply.status === status).length
  expect([count(200), count(409)]).toEqual([10, 20])
  const [row] = await sql<{ taken: number }>(
    `select count(*)::int as taken from enrollments where school_class_id = $1 and status = 'active'`,
    [classId],
  )
  expect(row?.taken).toBe(10)
  expect((await teacher.get(`/api/v1/classes/${classId}`)).body).toMatchObject({ studentCount: 10 })
})

test('two requests for the same students in another order both end, and enrol nobody twice', async ({ app }) => {
  const teacher = await app.signIn('teacher1')
  const classes = [await newClass(teacher, 50), await newClass(teacher, 50)]
  const replies = await Promise.all(
    classes.flatMap((classId) => [
      enroll(teacher, classId, { studentIds: ids(1, 20) }),
      enroll(teacher, classId, { studentIds: ids(1, 20).toReversed() }),
    ]),
  )
  expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 200])
  for (const classId of classes) {
    expect((await teacher.get(`/api/v1/classes/${classId}`)).body).toMatchObject({ studentCount: 20 })
  }
})

test('a capacity is not set below what is taken, and an inactive class takes nobody', async ({ app }) => {
  const teacher = await app.signIn('teacher1')
  const classId = await newClass(teacher, 5)
  await enroll(teacher, classId, { studentIds: ids(1, 3) })
  expect((await teacher.patch(`/api/v1/classes/${classId}`, { version: 1, maxStudents: 2 })).status).toBe(409)
  expect((await teacher.patch(`/api/v1/classes/${classId}`, { version: 1, maxStudents: 3 })).status).toBe(200)
  expect((await teacher.patch(`/api/v1/classes/${classId}`, { version: 2, isActive: false })).status).toBe(200)
  expect((await enroll(teacher, classId, { studentIds: ids(4, 1) })).status).toBe(409)
})

for (const [what, body] of [
  ['nobody', { studentIds: [] }],
  ['a hundred and one', { studentIds: Array.from({ length: 101 }, () => school.userId('student1')) }],
  ['both forms at once', { studentId: school.userId('student1'), studentIds: [school.userId('student2')] }],
  ['an id that is none', { studentId: 'student1' }],
] as const) {
  test(`an enrolment of ${what} is refused with 400`, async ({ app }) => {
    const teacher = await app.signIn('teacher1')
    expect((await enroll(teacher, school.classOf('teacher1').id, body)).status).toBe(400)
  })
}
