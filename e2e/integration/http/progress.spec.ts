import { expect, test } from '#fixtures/test.ts'
import { seededSchool } from '#fixtures/data/seed.ts'

const school = seededSchool()
const lessonOf = (username: string, nth = 0): string => {
  const user = school.users.find((one) => one.username === username)
  const classes = new Set(school.enrollments.filter((e) => e.student === user?.id).map((e) => e.schoolClass))
  return school.lessons.filter((lesson) => lesson.isPublished && classes.has(lesson.schoolClass))[nth]?.id ?? ''
}

test('reported progress is there on the next reading', async ({ app }) => {
  const client = await app.signIn('student11')
  const id = lessonOf('student11')
  expect((await client.get(`/api/v1/lessons/${id}`)).body['progress']).toBeNull()
  const reply = await client.put(`/api/v1/lessons/${id}/progress`, { percent: 35, timeSpentSec: 120 })
  expect(reply.status).toBe(200)
  expect(reply.body).toEqual({ lessonId: id, percent: 35, timeSpentSec: 120, status: 'in_progress', completedAt: null })
  expect((await client.get(`/api/v1/lessons/${id}`)).body['progress']).toMatchObject({ percent: 35, timeSpentSec: 120 })
})

test('a late report does not take progress back', async ({ app }) => {
  const client = await app.signIn('student12')
  const path = `/api/v1/lessons/${lessonOf('student12')}/progress`
  await client.put(path, { percent: 100, timeSpentSec: 300 })
  const late = await client.put(path, { percent: 20, timeSpentSec: 60 })
  expect(late.body).toMatchObject({ percent: 100, timeSpentSec: 300, status: 'completed' })
  expect(late.body['completedAt']).not.toBeNull()
})

test('twenty reports at once end at the highest of them', async ({ app }) => {
  const client = await app.signIn('student13')
  const path = `/api/v1/lessons/${lessonOf('student13')}/progress`
  const replies = await Promise.all(
    Array.from({ length: 20 }, (_, i) => client.put(path, { percent: (i * 7) % 97, timeSpentSec: i })),
  )
  expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 200))
  const { body } = await client.get(path.replace('/progress', ''))
  const highest = Math.max(...Array.from({ length: 20 }, (_, i) => (i * 7) % 97))
  expect(body['progress']).toMatchObject({ percent: highest, timeSpentSec: 19 })
})

test('nobody reports on a lesson of another class, and a teacher on none', async ({ app }) => {
  const foreign = school.lessons.find(
    (lesson) =>
      lesson.isPublished &&
      !school.enrollments.some(
        (e) =>
          e.schoolClass === lesson.schoolClass && e.student === school.users.find((u) => u.username === 'student1')?.id,
      ),
  )
  const report = { percent: 10, timeSpentSec: 1 }
  const student = await app.signIn('student1')
  expect((await student.put(`/api/v1/lessons/${foreign?.id}/progress`, report)).status).toBe(404)
  const teacher = await app.signIn('teacher1')
  expect((await teacher.put(`/api/v1/lessons/${foreign?.id}/progress`, report)).status).toBe(403)
})
