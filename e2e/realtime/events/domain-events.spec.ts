import { SchoolIndex } from '#fixtures/data/school-index.ts'
import { seededSchool } from '#fixtures/data/seed.ts'
import type { ApiClient } from '#fixtures/playwright/api-client.ts'
import type { RealtimeClient, ReceivedEvent } from '#fixtures/playwright/realtime-client.ts'
import { expect, test } from '#fixtures/test.ts'

const school = new SchoolIndex(seededSchool())

const named = (client: RealtimeClient, event: string): ReceivedEvent[] =>
  client.received.filter((one) => one.event === event)

async function newClass(teacher: ApiClient, more: object = {}): Promise<string> {
  const { body } = await teacher.post('/api/v1/classes', { name: 'Robots', subject: 'Games', gradeLevel: 4, ...more })
  return body['id'] as string
}

test('class.updated: a change of the class reaches its members, once, with the new version', async ({
  app,
  realtime,
}) => {
  const teacher = await app.signIn('teacher1')
  const classId = await newClass(teacher)
  await teacher.post(`/api/v1/classes/${classId}/enrollments`, { studentId: school.userId('student41') })
  const member = await realtime.connectAs('student41')
  await member.subscribe(`private-class-${classId}`)
  await teacher.patch(`/api/v1/classes/${classId}`, { version: 1, name: 'Robots II' })
  await teacher.patch(`/api/v1/classes/${classId}`, { version: 2, name: 'Robots III' })
  // The second change is behind all that the first may have caused.
  await expect.poll(() => named(member, 'class.updated').at(-1)?.data).toMatchObject({ version: 3 })
  expect(named(member, 'class.updated').map(({ data }) => data)).toMatchObject([
    { classId, name: 'Robots II', version: 2 },
    { classId, name: 'Robots III', version: 3 },
  ])
})

test('enrollment.created and notification.new: each enrolled student hears of it on their own channel, and nobody else does', async ({
  app,
  realtime,
}) => {
  const teacher = await app.signIn('teacher1')
  const classId = await newClass(teacher)
  const names = Array.from({ length: 12 }, (_, i) => `student${42 + i}`)
  const clients = await Promise.all(
    names.map(async (name) => {
      const client = await realtime.connectAs(name)
      await client.subscribe(`private-user-${school.userId(name)}`)
      return client
    }),
  )
  const enrolled = names.slice(0, 11).map((name) => school.userId(name))
  await teacher.post(`/api/v1/classes/${classId}/enrollments`, { studentIds: enrolled })
  for (const [i, client] of clients.slice(0, 11).entries()) {
    await expect.poll(() => client.received.length).toBe(2)
    const data = { classId, studentId: enrolled[i] }
    expect(named(client, 'enrollment.created')[0]?.data).toMatchObject(data)
    expect(named(client, 'notification.new')[0]?.data).toMatchObject({ kind: 'enrollment', data: { classId } })
  }
  expect(clients.at(-1)?.received).toEqual([])
})

test('enrollment.dropped: who is dropped hears of it', async ({ app, realtime }) => {
  const teacher = await app.signIn('teacher1')
  const classId = await newClass(teacher)
  const studentId = school.userId('student55')
  await teacher.post(`/api/v1/classes/${classId}/enrollments`, { studentId })
  const client = await realtime.connectAs('student55')
  await client.subscribe(`private-user-${studentId}`)
  await teacher.delete(`/api/v1/classes/${classId}/enrollments/${studentId}`)
  await expect.poll(() => named(client, 'enrollment.dropped').length).toBe(1)
  expect(named(client, 'enrollment.dropped')[0]?.data).toMatchObject({ classId, studentId })
})

test('progress.updated to the class and lesson.completed to the student, the latter once however often it is reported', async ({
  app,
  realtime,
}) => {
  const { id: classId } = school.classOf('student5')
  const [lesson, another] = school.school.lessons.filter((one) => one.schoolClass === classId && one.isPublished)
  if (lesson === undefined || another === undefined) throw new Error('the class has fewer than two lessons')
  const student = await app.signIn('student5')
  const client = await realtime.connectAs('student5')
  await client.subscribe(`private-class-${classId}`)
  await client.subscribe(`private-user-${school.userId('student5')}`)
  const report = (percent: number) =>
    student.put(`/api/v1/lessons/${lesson.id}/progress`, { percent, timeSpentSec: percent })
  await report(60)
  await Promise.all([report(100), report(100), report(100)])
  await report(30)
  // The end of another lesson is told on both channels, behind all that was told of this one.
  await student.put(`/api/v1/lessons/${another.id}/progress`, { percent: 100, timeSpentSec: 1 })
  await expect.poll(() => named(client, 'lesson.completed').at(-1)?.data).toMatchObject({ lessonId: another.id })
  await expect.poll(() => named(client, 'progress.updated').at(-1)?.data).toMatchObject({ lessonId: another.id })
  expect(named(client, 'progress.updated')).toHaveLength(6)
  expect(named(client, 'progress.updated')[0]?.data).toMatchObject({ lessonId: lesson.id, percent: 60 })
  expect(named(client, 'lesson.completed').map(({ data }) => data)).toMatchObject([
    { lessonId: lesson.id, classId },
    { lessonId: another.id, classId },
  ])
})

test('quiz.submitted to the teacher, quiz.result to the student, and neither to the other', async ({
  app,
  realtime,
}) => {
  const { id: classId } = school.classOf('student4')
  const teacherName = school.teacherOf(classId)
  const assessment = school.assessment(classId, 'published')
  const [teacher, student] = [await realtime.connectAs(teacherName), await realtime.connectAs('student4')]
  await teacher.subscribe(`private-user-${school.userId(teacherName)}`)
  await student.subscribe(`private-user-${school.userId('student4')}`)
  const client = await app.signIn('student4')
  const path = `/api/v1/assessments/${assessment.id}/submissions`
  const { body } = await client.post(path, { answers: [] }, { 'idempotency-key': 'once' })
  await client.post(path, { answers: [] }, { 'idempotency-key': 'once' })
  // Another attempt is behind all that the first may have caused.
  await client.post(path, { answers: [] }, { 'idempotency-key': 'again' })
  const common = { submissionId: body['id'], assessmentId: assessment.id, attemptNo: 1, score: 0 }
  await expect.poll(() => named(teacher, 'quiz.submitted').at(-1)?.data).toMatchObject({ attemptNo: 2 })
  await expect.poll(() => named(student, 'quiz.result').at(-1)?.data).toMatchObject({ attemptNo: 2 })
  expect([named(teacher, 'quiz.submitted').length, named(student, 'quiz.result').length]).toEqual([2, 2])
  expect(named(teacher, 'quiz.submitted')[0]?.data).toMatchObject({ ...common, studentId: school.userId('student4') })
  expect(named(student, 'quiz.result')[0]?.data).toMatchObject({ ...common, xpAwarded: 0 })
  expect([named(teacher, 'quiz.result'), named(student, 'quiz.submitted')]).toEqual([[], []])
})

test('content.updated: everybody but parents hears that content changed, and not what it says', async ({
  app,
  realtime,
}) => {
  const student = await realtime.connectAs('student1')
  await student.subscribe('private-content-updates')
  await expect((await realtime.connectAs('parent1')).subscribe('private-content-updates')).rejects.toThrow('403')
  const teacher = await app.signIn('teacher1')
  const { body } = await teacher.post('/api/v1/content', {
    title: 'A secret draft',
    contentType: 'article',
    subject: 'Games',
    gradeLevel: 4,
    difficulty: 'easy',
    data: {},
  })
  await teacher.post(`/api/v1/content/${body['id'] as string}/publish`, {})
  await expect.poll(() => named(student, 'content.updated').length).toBe(2)
  expect(named(student, 'content.updated').map(({ data }) => data)).toMatchObject([
    { contentId: body['id'], status: 'draft', version: 1 },
    { contentId: body['id'], status: 'published', version: 2 },
  ])
  expect(JSON.stringify(student.received)).not.toContain('secret')
})

test('leaderboard.updated: a burst of results is told in at most one event a second, the last of which is current', async ({
  app,
  realtime,
  sql,
}) => {
  const { id: classId } = school.classOf('teacher2')
  const { id: assessmentId } = school.assessment(classId, 'published')
  await sql('update assessments set max_attempts = 100 where id = $1', [assessmentId])
  const rows = school.school.enrollments.filter((row) => row.schoolClass === classId)
  const members = new Set(rows.map(({ student }) => student))
  const names = school.school.users.filter(({ id }) => members.has(id)).map(({ username }) => username)
  const teacher = await realtime.connectAs('teacher2')
  await teacher.subscribe(`private-class-${classId}`)
  const questions = school.questions(assessmentId)

  const began = Date.now()
  for (const count of [1, 2, 3]) {
    const answers = questions
      .slice(0, count * 2)
      .map(({ id, correctAnswer }) => ({ questionId: id, answer: correctAnswer ?? 'So.' }))
    await Promise.all(
      names.slice(0, 6).map(async (name) => {
        await (await app.signIn(name)).post(`/api/v1/assessments/${assessmentId}/submissions`, { answers })
      }),
    )
  }
  const ranking = await (await app.signIn('teacher2')).get(`/api/v1/leaderboard?classId=${classId}`)
  const expected = (ranking.body['standings'] as unknown[]).slice(0, 10)
  await expect
    .poll(() => (named(teacher, 'leaderboard.updated').at(-1)?.data as { top?: unknown } | undefined)?.top)
    .toEqual(expected)
  const seconds = (Date.now() - began) / 1_000
  expect(named(teacher, 'leaderboard.updated').length).toBeLessThanOrEqual(Math.floor(seconds) + 1)
})

test('a write that is refused publishes nothing, and what it would have invalidated stays', async ({
  app,
  realtime,
}) => {
  const teacher = await app.signIn('teacher1')
  const classId = await newClass(teacher, { maxStudents: 1 })
  const before = await teacher.get(`/api/v1/classes/${classId}`)
  const subscriber = await realtime.connectAs('teacher1')
  await subscriber.subscribe(`private-class-${classId}`)
  expect((await teacher.patch(`/api/v1/classes/${classId}`, { version: 9, name: 'No' })).status).toBe(409)
  const etag = before.headers.get('etag') ?? ''
  expect((await teacher.get(`/api/v1/classes/${classId}`, { 'if-none-match': etag })).status).toBe(304)
  // What is accepted next is in the same channel: had the refused one been published, it would have come first.
  await teacher.patch(`/api/v1/classes/${classId}`, { version: 1, name: 'Yes' })
  // That the class was made, its version 1, may be told before the subscription or after it.
  const later = () =>
    subscriber.received.map(({ data }) => data).filter((data) => (data as { version: number }).version !== 1)
  await expect.poll(later).toMatchObject([{ name: 'Yes', version: 2 }])
})
