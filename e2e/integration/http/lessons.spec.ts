import { expect, test } from '#fixtures/test.ts'
import { seededSchool } from '#fixtures/data/seed.ts'

const school = seededSchool()
const student = school.users.find((user) => user.username === 'student1')
const ownClasses = new Set(school.enrollments.filter((e) => e.student === student?.id).map((e) => e.schoolClass))
const published = school.lessons.filter((lesson) => lesson.isPublished)
const own = published.find((lesson) => ownClasses.has(lesson.schoolClass))
const foreign = published.find((lesson) => !ownClasses.has(lesson.schoolClass))
const draft = school.lessons.find((lesson) => ownClasses.has(lesson.schoolClass) && !lesson.isPublished)
const ownTeacher = school.users.find(
  (user) => user.id === school.classes.find((c) => c.id === own?.schoolClass)?.teacher,
)
const otherTeacher = school.users.find((user) => user.role === 'teacher' && user.id !== ownTeacher?.id)

test('a student reads a lesson of an own class, whole', async ({ app }) => {
  const client = await app.signIn('student1')
  const reply = await client.get(`/api/v1/lessons/${own?.id}`)
  expect(reply.status).toBe(200)
  expect(reply.body).toMatchObject({ id: own?.id, classId: own?.schoolClass, title: own?.title, isPublished: true })
  expect(reply.body['contentData']).toEqual(own?.contentData)
})

test('the second reading, from the cache, is the same to the byte', async ({ app }) => {
  const client = await app.signIn('student1')
  const [first, second] = [
    await client.get(`/api/v1/lessons/${own?.id}`),
    await client.get(`/api/v1/lessons/${own?.id}`),
  ]
  expect(second.headers.get('etag')).toBe(first.headers.get('etag'))
  expect(second.body).toEqual(first.body)
})

test('a client that has the lesson already is told so with 304 and no body', async ({ app }) => {
  const client = await app.signIn('student1')
  const { headers } = await client.get(`/api/v1/lessons/${own?.id}`)
  const again = await client.get(`/api/v1/lessons/${own?.id}`, { 'if-none-match': headers.get('etag') ?? '' })
  expect(again.status).toBe(304)
})

test('the list holds the published lessons of own classes and no others', async ({ app }) => {
  const client = await app.signIn('student1')
  const { body } = await client.get('/api/v1/lessons')
  const ids = (body['lessons'] as { id: string }[]).map(({ id }) => id)
  const expected = published.filter((lesson) => ownClasses.has(lesson.schoolClass)).map(({ id }) => id)
  expect(ids.toSorted()).toEqual(expected.toSorted())
})

for (const temperature of ['cold', 'warm'] as const) {
  test.describe(`with a ${temperature} cache`, () => {
    const cells = [
      ['a student', 'student1', 'an own lesson', own, 200],
      ['a student', 'student1', 'a lesson of another class', foreign, 404],
      ['a student', 'student1', 'a draft of an own class', draft, 404],
      ['the teacher', ownTeacher?.username, 'an own lesson', own, 200],
      ['the teacher', ownTeacher?.username, 'an own draft', draft, 200],
      ['another teacher', otherTeacher?.username, 'that lesson', own, 404],
      ['an admin', 'admin', 'any lesson', foreign, 200],
      ['an admin', 'admin', 'any draft', draft, 200],
    ] as const
    for (const [who, username, what, lesson, status] of cells) {
      test(`${who} gets ${status} for ${what}`, async ({ app, redis }) => {
        if (temperature === 'cold') await redis.reset()
        else await (await app.signIn('admin')).get(`/api/v1/lessons/${lesson?.id}`)
        const client = await app.signIn(username ?? '')
        const reply = await client.get(`/api/v1/lessons/${lesson?.id}`)
        expect(reply.status).toBe(status)
        if (status === 404) expect(JSON.stringify(reply.body)).not.toContain(lesson?.title)
      })
    }
  })
}
