import { SchoolIndex } from '#fixtures/data/school-index.ts'
import { seededSchool } from '#fixtures/data/seed.ts'
import { expect, test } from '#fixtures/test.ts'
import type { AnswerValue } from '#server/entities/assessment.ts'

const school = new SchoolIndex(seededSchool())

/** An assessment that a person has to judge in part, or one that is graded at once. */
function openAssessment(username: string, isJudged: boolean) {
  const ids = new Set(school.classesOf(username).map(({ id }) => id))
  const found = school.school.assessments.find(
    (one) =>
      ids.has(one.schoolClass) &&
      one.status === 'published' &&
      school.questions(one.id).some(({ type }) => type === 'essay') === isJudged,
  )
  if (found === undefined) throw new Error(`the school has no such assessment for ${username}`)
  return found
}

const rightAnswers = (assessmentId: string, count = Infinity) =>
  school
    .questions(assessmentId)
    .slice(0, count)
    .map(({ id, correctAnswer }): { questionId: string; answer: AnswerValue } => ({
      questionId: id,
      answer: correctAnswer ?? 'I see it so.',
    }))

const pointsOf = (assessmentId: string, count: number): number =>
  school
    .questions(assessmentId)
    .slice(0, count)
    .reduce((sum, { points }) => sum + points, 0)

const submissions = (assessmentId: string): string => `/api/v1/assessments/${assessmentId}/submissions`

test('students do not get the answers, and those who teach do, whoever asks first', async ({ app, redis }) => {
  const { id, schoolClass } = openAssessment('student1', false)
  const readers = [await app.signIn('student1'), await app.signIn(school.teacherOf(schoolClass))]
  for (const order of [readers, readers.toReversed()]) {
    await redis.reset()
    for (const reader of [...order, ...order]) {
      const { status, body } = await reader.get(`/api/v1/assessments/${id}`)
      expect(status).toBe(200)
      const questions = body['questions'] as { id: string }[]
      expect(questions.map((question) => question.id)).toEqual(school.questions(id).map((question) => question.id))
      expect(questions.every((question) => 'correctAnswer' in question)).toBe(reader === readers[1])
    }
  }
})

test('a draft is for those who manage the class', async ({ app }) => {
  const { id: classId } = school.classOf('student1')
  const { id } = school.assessment(classId, 'draft')
  expect((await (await app.signIn(school.teacherOf(classId))).get(`/api/v1/assessments/${id}`)).status).toBe(200)
  const student = await app.signIn('student1')
  expect((await student.get(`/api/v1/assessments/${id}`)).status).toBe(404)
  expect((await student.post(submissions(id), { answers: [] })).status).toBe(404)
})

test('an attempt is graded at once, and what it earns is added to the student', async ({ app, sql }) => {
  const student = await app.signIn('student6')
  const assessment = openAssessment('student6', false)
  const half = await student.post(submissions(assessment.id), { answers: rightAnswers(assessment.id, 4) })
  expect(half.status).toBe(201)
  const score = pointsOf(assessment.id, 4)
  expect(half.body).toMatchObject({
    assessmentId: assessment.id,
    attemptNo: 1,
    attemptsLeft: 2,
    status: 'graded',
    score,
    maxScore: assessment.maxScore,
    percent: Math.round((score / assessment.maxScore) * 10_000) / 100,
    passed: score / assessment.maxScore >= 0.7,
    xpAwarded: score,
  })
  const whole = await student.post(submissions(assessment.id), { answers: rightAnswers(assessment.id) })
  // Only what beats the best attempt before is earned: the sum is the best score, however often one tries.
  expect(whole.body).toMatchObject({
    percent: 100,
    passed: true,
    xpAwarded: assessment.maxScore - score,
    attemptsLeft: 1,
  })
  const worse = await student.post(submissions(assessment.id), { answers: [] })
  expect(worse.body).toMatchObject({ score: 0, percent: 0, passed: false, xpAwarded: 0, attemptsLeft: 0 })
  const rows = await sql('select xp, level from users where id = $1', [school.userId('student6')])
  expect(rows).toEqual([{ xp: assessment.maxScore, level: 1 + Math.floor(assessment.maxScore / 100) }])
})

test('what a person has to judge keeps the result open', async ({ app }) => {
  const { id } = openAssessment('student2', true)
  const reply = await (await app.signIn('student2')).post(submissions(id), { answers: rightAnswers(id) })
  expect(reply.body).toMatchObject({ status: 'submitted', percent: null, passed: null, score: pointsOf(id, 7) })
})

test('twelve attempts at once: three are taken, nine get 409, and their numbers are 1, 2 and 3', async ({
  app,
  sql,
}) => {
  const student = await app.signIn('student7')
  const { id } = openAssessment('student7', false)
  const replies = await Promise.all(
    Array.from({ length: 12 }, () => student.post(submissions(id), { answers: rightAnswers(id, 1) })),
  )
  const count = (status: number): number => replies.filter((reply) => reply.status === status).length
  expect([count(201), count(409)]).toEqual([3, 9])
  const rows = await sql(
    'select attempt_no, xp_awarded > 0 as earned from submissions where assessment_id = $1 and student_id = $2 order by 1',
    [id, school.userId('student7')],
  )
  expect(rows).toEqual([1, 2, 3].map((attemptNo) => ({ attempt_no: attemptNo, earned: attemptNo === 1 })))
})

test('the same key is the same attempt: once after the other, ten at once, and after the attempts are used up', async ({
  app,
  sql,
}) => {
  const student = await app.signIn('student8')
  const { id } = openAssessment('student8', false)
  const answers = rightAnswers(id)
  const submit = (key: string, body: object = { answers }) =>
    student.post(submissions(id), body, { 'idempotency-key': key })

  const first = await submit('a-1')
  const again = await submit('a-1')
  expect([first.status, again.status]).toEqual([201, 200])
  expect(again.body).toEqual(first.body)

  const atOnce = await Promise.all(Array.from({ length: 10 }, () => submit('a-2')))
  expect(atOnce.filter(({ status }) => status === 201)).toHaveLength(1)
  expect(new Set(atOnce.map(({ body }) => JSON.stringify(body))).size).toBe(1)

  await submit('a-3')
  expect((await submit('a-4')).status).toBe(409)
  expect((await submit('a-1')).body).toEqual(first.body)

  expect((await submit('a-1', { answers: answers.slice(1) })).body).toMatchObject({ status: 422, code: 'key_reused' })
  const rows = await sql('select 1 from submissions where assessment_id = $1 and student_id = $2', [
    id,
    school.userId('student8'),
  ])
  expect(rows).toHaveLength(3)
})

test('a key belongs to its student: another one may use it too', async ({ app }) => {
  const key = { 'idempotency-key': 'shared' }
  for (const username of ['student9', 'student29']) {
    const { id } = openAssessment(username, false)
    const reply = await (await app.signIn(username)).post(submissions(id), { answers: [] }, key)
    expect(reply.status).toBe(201)
  }
})

test('one key for two classes at the same time is one attempt and one refusal', async ({ app, sql }) => {
  const student = await app.signIn('student10')
  const [one, other] = school.classesOf('student10').map(({ id }) => school.assessment(id, 'published').id)
  const replies = await Promise.all(
    [one, other, one, other].map((id) =>
      student.post(submissions(id ?? ''), { answers: [] }, { 'idempotency-key': 'k' }),
    ),
  )
  expect(replies.map(({ status }) => status).filter((status) => status === 201)).toHaveLength(1)
  expect(replies.filter(({ status }) => status === 422)).toHaveLength(2)
  const rows = await sql('select 1 from submissions where student_id = $1', [school.userId('student10')])
  expect(rows).toHaveLength(1)
})

test('nobody hands in late, or into what is closed', async ({ app, sql }) => {
  const student = await app.signIn('student11')
  const { id } = openAssessment('student11', false)
  for (const change of [`due_at = now() - interval '1 s'`, `due_at = null, status = 'closed'`]) {
    await sql(`update assessments set ${change} where id = $1`, [id])
    const reply = await student.post(submissions(id), { answers: [] })
    expect(reply.status).toBe(409)
  }
  await sql(`update assessments set status = 'published' where id = $1`, [id])
  expect((await student.post(submissions(id), { answers: [] })).status).toBe(201)
})

test('nobody hands in where they are not enrolled any more', async ({ app }) => {
  const { id: classId } = school.classOf('student30')
  const [student, teacher] = [await app.signIn('student30'), await app.signIn(school.teacherOf(classId))]
  await teacher.delete(`/api/v1/classes/${classId}/enrollments/${school.userId('student30')}`)
  const { id } = school.assessment(classId, 'published')
  expect((await student.post(submissions(id), { answers: [] })).status).toBe(404)
})

for (const [what, body, status] of [
  ['no answers', {}, 400],
  ['an answer to a question of another assessment', 'foreign', 400],
  ['two answers to one question', 'twice', 400],
  ['an answer with a NUL', 'nul', 400],
  ['an answer that is half a surrogate pair', 'surrogate', 400],
  ['an answer that is an object', 'object', 400],
] as const) {
  test(`${what} is refused with ${status} and uses no attempt`, async ({ app, sql }) => {
    const student = await app.signIn('student13')
    const { id } = openAssessment('student13', false)
    const [questionId = ''] = school.questions(id).map((question) => question.id)
    const [foreign = ''] = school.questions(openAssessment('student19', false).id).map((question) => question.id)
    const answers = {
      foreign: [{ questionId: foreign, answer: 'A' }],
      twice: [
        { questionId, answer: 'A' },
        { questionId, answer: 'B' },
      ],
      nul: [{ questionId, answer: 'a\u0000b' }],
      surrogate: [{ questionId, answer: '\ud800' }],
      object: [{ questionId, answer: { $gt: '' } }],
    }
    const sent = typeof body === 'string' ? { answers: answers[body] } : body
    expect((await student.post(submissions(id), sent)).status).toBe(status)
    expect(await sql('select 1 from submissions where student_id = $1', [school.userId('student13')])).toEqual([])
  })
}

test('the statistics count what was handed in, at once', async ({ app, sql }) => {
  const { id, schoolClass } = openAssessment('student14', false)
  const teacher = await app.signIn(school.teacherOf(schoolClass))
  const before = await teacher.get(`/api/v1/assessments/${id}/statistics`)
  expect(before.status).toBe(200)
  const submitted = await (await app.signIn('student14')).post(submissions(id), { answers: rightAnswers(id) })
  expect(submitted.body).toMatchObject({ percent: 100 })

  const { body } = await teacher.get(`/api/v1/assessments/${id}/statistics`)
  const percents = await sql<{ percent: number }>(
    `select percent from submissions where assessment_id = $1 and status = 'graded' order by percent`,
    [id],
  )
  const all = percents.map(({ percent }) => percent)
  expect(body).toMatchObject({
    submissions: (before.body['submissions'] as number) + 1,
    graded: all.length,
    passed: all.filter((percent) => percent >= 70).length,
  })
  const histogram = body['histogram'] as number[]
  expect(histogram[9]).toBe(all.filter((percent) => percent >= 90).length)
  expect(histogram.reduce((sum, count) => sum + count, 0)).toBe(all.length)
  expect(body['averagePercent']).toBeCloseTo(all.reduce((sum, percent) => sum + percent, 0) / all.length, 6)
  const { median } = body['percentiles'] as { median: number }
  const middle = ((all[Math.floor((all.length - 1) / 2)] ?? 0) + (all[Math.ceil((all.length - 1) / 2)] ?? 0)) / 2
  expect(median).toBeCloseTo(middle, 6)
})

test('statistics of what nobody has handed in are empty, and not zero per cent', async ({ app }) => {
  const { id: classId } = school.classOf('teacher1')
  const { id } = school.assessment(classId, 'draft')
  const { status, body } = await (await app.signIn('teacher1')).get(`/api/v1/assessments/${id}/statistics`)
  expect(status).toBe(200)
  expect(body).toMatchObject({
    submissions: 0,
    averagePercent: null,
    percentiles: { p25: null, median: null, p75: null, p90: null },
    histogram: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  })
})
