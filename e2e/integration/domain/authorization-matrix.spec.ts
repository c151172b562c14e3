import { SchoolIndex } from '#fixtures/data/school-index.ts'
import { seededSchool } from '#fixtures/data/seed.ts'
import type { ApiReply } from '#fixtures/playwright/api-client.ts'
import type { App } from '#fixtures/playwright/app-fixtures.ts'
import { expect, test } from '#fixtures/test.ts'

const school = new SchoolIndex(seededSchool())
const member = 'student1'
const { id: classId } = school.classOf(member)
const owner = school.teacherOf(classId)
const outsider = school.outsiderOf(classId).username
const stranger =
  school.school.users.find(({ role, username }) => role === 'teacher' && username !== owner)?.username ?? ''

/** Who asks: the columns of the table, in order. */
const ACTORS = [
  ['an admin', 'admin'],
  ['its teacher', owner],
  ['another teacher', stranger],
  ['its student', member],
  ['another student', outsider],
  ['a parent', 'parent1'],
  ['nobody', undefined],
] as const

/** Who has asked just before: those who may see more, those who may see less, and those who see the same. */
const WARMERS = ['admin', owner, stranger, member, outsider] as const

const lesson = school.lesson(classId)
const draftLesson = school.lesson(classId, { isPublished: false })
const assessment = school.assessment(classId, 'published')
const draftAssessment = school.assessment(classId, 'draft')
const contentOf = (status: string): string =>
  school.school.content.find((row) => row.creator === school.userId(owner) && row.status === status)?.id ?? ''
const published = contentOf('published')
const draft = school.school.content.find((row) => row.creator === school.userId(owner) && row.status !== 'published')

const NOBODY = '11111111-1111-4111-8111-111111111111'
const newClass = { name: 'Matrix', subject: 'Games', gradeLevel: 1 }
const newContent = {
  title: 'Matrix',
  contentType: 'article',
  subject: 'Games',
  gradeLevel: 1,
  difficulty: 'easy',
  data: {},
}
const outdated = { version: 2_000_000_000 }
const channel = (name: string) => ({ socket_id: '1.1', channel_name: name })
const unknownQuestion = { answers: [{ questionId: NOBODY, answer: true }] }

interface Row {
  readonly operation: string
  readonly path: string
  /** Where a write would change what the other cells rest on, it is one that fails behind the authorization. */
  readonly body?: object
  readonly statuses: readonly number[]
}

const row = (operation: string, path: string, statuses: readonly number[], body?: object): Row => ({
  operation,
  path,
  statuses,
  ...(body === undefined ? {} : { body }),
})

const ROWS: readonly Row[] = [
  row('post /auth/renew', '/auth/renew', [200, 200, 200, 200, 200, 200, 401]),
  row('get /dashboard/overview', '/dashboard/overview', [200, 200, 200, 200, 200, 403, 401]),
  row('get /metrics/dashboard', '/metrics/dashboard', [200, 403, 403, 403, 403, 403, 401]),
  row('get /metrics/activity', '/metrics/activity', [200, 403, 403, 403, 403, 403, 401]),
  row('get /classes', '/classes', [200, 200, 200, 200, 200, 403, 401]),
  row('get /classes/{id}', `/classes/${classId}`, [200, 200, 404, 200, 404, 404, 401]),
  row('get /classes/{id}', `/classes/${NOBODY}`, [404, 404, 404, 404, 404, 404, 401]),
  row('post /classes', '/classes', [400, 201, 201, 403, 403, 403, 401], newClass),
  row('patch /classes/{id}', `/classes/${classId}`, [409, 409, 404, 403, 403, 403, 401], outdated),
  row('get /classes/{id}/students', `/classes/${classId}/students`, [200, 200, 404, 403, 403, 403, 401]),
  row('get /classes/{id}/students', `/classes/${NOBODY}/students`, [404, 404, 404, 403, 403, 403, 401]),
  row('post /classes/{id}/enrollments', `/classes/${classId}/enrollments`, [400, 400, 404, 403, 403, 403, 401], {
    studentId: NOBODY,
  }),
  row(
    'delete /classes/{id}/enrollments/{studentId}',
    `/classes/${classId}/enrollments/${NOBODY}`,
    [404, 404, 404, 403, 403, 403, 401],
  ),
  row('get /lessons', '/lessons', [200, 200, 200, 200, 200, 403, 401]),
  row('get /lessons/{id}', `/lessons/${lesson.id}`, [200, 200, 404, 200, 404, 404, 401]),
  row('get /lessons/{id}', `/lessons/${draftLesson.id}`, [200, 200, 404, 404, 404, 404, 401]),
  row('get /lessons/{id}/statistics', `/lessons/${lesson.id}/statistics`, [200, 200, 404, 403, 403, 403, 401]),
  row('put /lessons/{id}/progress', `/lessons/${lesson.id}/progress`, [403, 403, 403, 200, 404, 403, 401], {
    percent: 1,
    timeSpentSec: 1,
  }),
  row('put /lessons/{id}/progress', `/lessons/${draftLesson.id}/progress`, [403, 403, 403, 404, 404, 403, 401], {
    percent: 1,
    timeSpentSec: 1,
  }),
  row('get /assessments/{id}', `/assessments/${assessment.id}`, [200, 200, 404, 200, 404, 404, 401]),
  row('get /assessments/{id}', `/assessments/${draftAssessment.id}`, [200, 200, 404, 404, 404, 404, 401]),
  row(
    'get /assessments/{id}/statistics',
    `/assessments/${assessment.id}/statistics`,
    [200, 200, 404, 403, 403, 403, 401],
  ),
  row(
    'post /assessments/{id}/submissions',
    `/assessments/${assessment.id}/submissions`,
    [403, 403, 403, 400, 404, 403, 401],
    unknownQuestion,
  ),
  row(
    'post /assessments/{id}/submissions',
    `/assessments/${draftAssessment.id}/submissions`,
    [403, 403, 403, 404, 404, 403, 401],
    unknownQuestion,
  ),
  row('get /content', '/content', [200, 200, 200, 200, 200, 403, 401]),
  row('get /content/{id}', `/content/${published}`, [200, 200, 200, 200, 200, 403, 401]),
  row('get /content/{id}', `/content/${draft?.id}`, [200, 200, 404, 404, 404, 403, 401]),
  row('post /content', '/content', [201, 201, 201, 403, 403, 403, 401], newContent),
  row('patch /content/{id}', `/content/${draft?.id}`, [409, 409, 404, 403, 403, 403, 401], outdated),
  row('post /content/{id}/publish', `/content/${published}/publish`, [200, 200, 404, 403, 403, 403, 401]),
  row('get /leaderboard', `/leaderboard?classId=${classId}`, [200, 200, 404, 200, 404, 404, 401]),
  row('get /leaderboard', '/leaderboard', [200, 200, 200, 403, 403, 403, 401]),
  row('get /notifications', '/notifications', [200, 200, 200, 200, 200, 200, 401]),
  row('patch /notifications', '/notifications', [200, 200, 200, 200, 200, 200, 401], { ids: [NOBODY] }),
  row(
    'post /realtime/auth',
    '/realtime/auth',
    [200, 200, 403, 200, 403, 403, 401],
    channel(`private-class-${classId}`),
  ),
  row(
    'post /realtime/auth',
    '/realtime/auth',
    [200, 200, 403, 200, 403, 403, 401],
    channel(`presence-class-${classId}`),
  ),
  row(
    'post /realtime/auth',
    '/realtime/auth',
    [403, 403, 403, 200, 403, 403, 401],
    channel(`private-user-${school.userId(member)}`),
  ),
  row('post /realtime/auth', '/realtime/auth', [200, 200, 200, 200, 200, 403, 401], channel('private-content-updates')),
  row('post /realtime/replay', '/realtime/replay', [200, 200, 200, 200, 200, 200, 401], {
    positions: { [`private-class-${classId}`]: null },
  }),
  row('post /realtime/user-auth', '/realtime/user-auth', [200, 200, 200, 200, 200, 200, 401], { socket_id: '1.1' }),
  row('post /realtime/trigger', '/realtime/trigger', [202, 202, 403, 202, 403, 403, 401], {
    channel: `private-class-${classId}`,
    event: 'typing.started',
    data: {},
  }),
  row('post /realtime/deliveries', '/realtime/deliveries', [202, 202, 202, 202, 202, 202, 401], { latenciesMs: [1] }),
  row('delete /admin/cache/tags/{tag}', '/admin/cache/tags/matrix', [200, 403, 403, 403, 403, 403, 401]),
  row('post /admin/cache/warm', '/admin/cache/warm', [200, 403, 403, 403, 403, 403, 401]),
  row('get /admin/dead-letters', '/admin/dead-letters', [200, 403, 403, 403, 403, 403, 401]),
  row('post /admin/dead-letters/requeue', '/admin/dead-letters/requeue', [200, 403, 403, 403, 403, 403, 401], {
    ids: ['1'],
  }),
  row('delete /admin/dead-letters/{id}', '/admin/dead-letters/1', [404, 403, 403, 403, 403, 403, 401]),
]

/** Members that differ from one reply to the next, whoever asks. */
const VOLATILE = new Set(['requestId', 'generatedAt', 'durationMs', 'timestamp'])

/** What the two have in common when nothing is baked into what is kept: everything but the members above. */
function comparable(body: unknown): unknown {
  if (Array.isArray(body)) return body.map(comparable)
  if (typeof body !== 'object' || body === null) return body
  const kept = Object.entries(body).filter(([name]) => !VOLATILE.has(name))
  return Object.fromEntries(kept.map(([name, value]) => [name, comparable(value)]))
}

async function ask(app: App, { operation, path, body }: Row, username: string | undefined): Promise<ApiReply> {
  const [method = ''] = operation.toUpperCase().split(' ')
  const client = username === undefined ? app.anonymous : await app.signIn(username)
  const json = body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  return client.send(method, `/api/v1${path}`, json)
}

/** What is made has an id of its own each time, and a report of warming tells of whoever signed in last. */
const isNewEachTime = ({ operation }: Row): boolean =>
  ['post /auth/renew', 'post /realtime/trigger', 'post /classes', 'post /content', 'post /admin/cache/warm'].includes(
    operation,
  )

for (const one of ROWS) {
  const what = `${one.operation} ${one.path}${one.body === undefined ? '' : ` ${JSON.stringify(one.body)}`}`
  test(`${what} answers each role as it is theirs, and the same whoever has warmed the cache`, async ({
    app,
    redis,
  }) => {
    test.setTimeout(120_000)
    // Everybody has signed in before: sign-ins are counted in what is compared.
    for (const [, username] of ACTORS) if (username !== undefined) await app.signIn(username)
    const statuses: Record<string, number> = {}
    for (const [name, username] of ACTORS) {
      await redis.reset()
      const cold = await ask(app, one, username)
      statuses[name] = cold.status
      for (const before of WARMERS) {
        // From nothing each time: an entry is made by the first who asks, and shows what is theirs if anything does.
        await redis.reset()
        await ask(app, one, before)
        const warm = await ask(app, one, username)
        const who = `${name} after ${before}`
        expect(warm.status, who).toBe(cold.status)
        if (!isNewEachTime(one)) expect(comparable(warm.body), who).toEqual(comparable(cold.body))
      }
    }
    expect(statuses).toEqual(Object.fromEntries(ACTORS.map(([name], i) => [name, one.statuses[i]])))
  })
}

test('the matrix has every operation of the document that asks who is there', async ({ app }) => {
  const { body } = await app.anonymous.get('/api/v1/openapi.json')
  const paths = body['paths'] as Record<string, Record<string, { security?: readonly unknown[] }>>
  const documented = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, { security }]) => (security === undefined ? [`${method} ${path}`] : [])),
  )
  expect([...new Set(ROWS.map(({ operation }) => operation))].toSorted()).toEqual(documented.toSorted())
})
