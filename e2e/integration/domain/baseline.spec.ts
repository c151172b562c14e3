import { SchoolIndex } from '#fixtures/data/school-index.ts'
import { seededSchool } from '#fixtures/data/seed.ts'
import { SEEDED_PASSWORD } from '#fixtures/data/seeded-password.ts'
import { ApiClient } from '#fixtures/playwright/api-client.ts'
import { startServerProcess } from '#fixtures/playwright/server-process.ts'
import { expect, test } from '#fixtures/test.ts'

const school = new SchoolIndex(seededSchool())
const { id: classId } = school.classOf('student1')
const teacher = school.teacherOf(classId)
const assessmentId = school.assessment(classId, 'published').id

test('with every optimization off the same routes give the same answers', async ({ app, redis, serverEnvironment }) => {
  // What lives by its TTL alone, such as statistics, may be as old as the tests before this one.
  await redis.reset()
  await using baseline = await startServerProcess({ environment: { ...serverEnvironment, OPTIMIZATIONS: 'off' } })
  const signIn = async (username: string): Promise<ApiClient> => {
    const { body } = await new ApiClient(baseline.url).signIn(username, SEEDED_PASSWORD)
    return new ApiClient(baseline.url, body['token'] as string)
  }
  for (const [username, path] of [
    ['student1', `/lessons/${school.lesson(classId).id}`],
    ['student1', '/lessons'],
    [teacher, `/lessons/${school.lesson(classId).id}/statistics`],
    ['student1', `/classes/${classId}`],
    [teacher, `/classes/${classId}/students`],
    ['student1', '/classes'],
    ['student1', `/assessments/${assessmentId}`],
    [teacher, `/assessments/${assessmentId}`],
    [teacher, `/assessments/${assessmentId}/statistics`],
    [teacher, '/content?search=waves'],
    ['student1', '/dashboard/overview'],
    [teacher, '/dashboard/overview'],
    ['student1', `/leaderboard?classId=${classId}`],
    ['parent1', '/notifications'],
    ['student1', `/lessons/${school.lesson(classId, { isPublished: false }).id}`],
  ] as const) {
    const [on, off] = [
      await (await app.signIn(username)).get(`/api/v1${path}`),
      await (await signIn(username)).get(`/api/v1${path}`),
    ]
    // A refusal names its request, so its bytes are its own.
    const { requestId: _own, ...body } = off.body
    const tagOf = ({ status, headers }: typeof on) => (status === 200 ? headers.get('etag') : null)
    expect([off.status, tagOf(off)], path).toEqual([on.status, tagOf(on)])
    expect(on.body, path).toMatchObject(body)
  }
})

test('with every optimization off a submission is taken, graded and ranked', async ({ serverEnvironment }) => {
  await using baseline = await startServerProcess({ environment: { ...serverEnvironment, OPTIMIZATIONS: 'off' } })
  const own = school.classOf('student27')
  const { body } = await new ApiClient(baseline.url).signIn('student27', SEEDED_PASSWORD)
  const student = new ApiClient(baseline.url, body['token'] as string)
  const { id } = school.assessment(own.id, 'published')
  const answers = school
    .questions(id)
    .map((question) => ({ questionId: question.id, answer: question.correctAnswer ?? 'So.' }))
  const submitted = await student.post(`/api/v1/assessments/${id}/submissions`, { answers })
  expect(submitted.status).toBe(201)
  const ranking = await student.get(`/api/v1/leaderboard?classId=${own.id}`)
  expect(ranking.body['own']).toMatchObject({ score: submitted.body['xpAwarded'] })
})
