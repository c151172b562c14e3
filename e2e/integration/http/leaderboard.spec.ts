import { SchoolIndex } from '#fixtures/data/school-index.ts'
import { seededSchool } from '#fixtures/data/seed.ts'
import type { App } from '#fixtures/playwright/app-fixtures.ts'
import { expect, test } from '#fixtures/test.ts'

const school = new SchoolIndex(seededSchool())

interface Standing {
  readonly rank: number
  readonly userId: string
  readonly score: number
}

const standingsOf = (body: Readonly<Record<string, unknown>>): readonly Standing[] =>
  body['standings'] as readonly Standing[]

/** Hands in the right answers to the first questions of the first open assessment of the class. */
async function earn(app: App, username: string, classId: string, questions: number): Promise<number> {
  const { id } = school.assessment(classId, 'published')
  const answers = school
    .questions(id)
    .slice(0, questions)
    .map((question) => ({ questionId: question.id, answer: question.correctAnswer ?? 'I see it so.' }))
  const { status, body } = await (await app.signIn(username)).post(`/api/v1/assessments/${id}/submissions`, { answers })
  expect(status).toBe(201)
  return body['xpAwarded'] as number
}

/** A class of its own with an assessment and these students, so that nobody else earns in it. */
const NEW_CLASS = `
  with class as (
    insert into school_classes (id, name, subject, grade_level, teacher_id, created_at, updated_at)
    values (gen_random_uuid(), 'Ranking', 'Games', 5, $1, now(), now()) returning id),
  enrolled as (
    insert into enrollments (id, school_class_id, student_id, enrolled_at)
    select gen_random_uuid(), class.id, student, now() from class, unnest($2::uuid[]) as student),
  assessment as (
    insert into assessments (id, school_class_id, title, kind, max_score, max_attempts, status, created_at, updated_at)
    select gen_random_uuid(), class.id, 'Ranking', 'quiz', 100, 100, 'published', now(), now() from class returning id),
  question as (
    insert into assessment_questions (id, assessment_id, order_index, type, prompt, options, correct_answer, points)
    select gen_random_uuid(), assessment.id, n, 'true_false', 'True?', '[]', 'true', 10
    from assessment, generate_series(1, 10) as n returning id, order_index)
  select class.id as "classId", assessment.id as "assessmentId",
    (select array_agg(id order by order_index) from question) as questions from class, assessment`

interface NewClass {
  readonly classId: string
  readonly assessmentId: string
  readonly questions: readonly string[]
}

for (const store of ['kept in Redis', 'made from the database'] as const) {
  test(`the ranking ${store} is in order, shares ranks, and shows what is earned at once`, async ({
    app,
    redis,
    sql,
  }) => {
    const names = ['student16', 'student17', 'student18'] as const
    const [made] = await sql<NewClass>(NEW_CLASS, [school.userId('teacher1'), names.map((name) => school.userId(name))])
    const { classId = '', assessmentId = '', questions = [] } = made ?? {}
    // The class was made behind the back of the cache.
    await redis.reset()
    const submit = async (username: string, count: number) => {
      const answers = questions.slice(0, count).map((questionId) => ({ questionId, answer: true }))
      const client = await app.signIn(username)
      expect((await client.post(`/api/v1/assessments/${assessmentId}/submissions`, { answers })).status).toBe(201)
    }
    const viewer = await app.signIn('student16')
    for (const [name, count] of [
      [names[0], 3],
      [names[1], 5],
      [names[2], 3],
      [names[0], 5],
      [names[2], 9],
    ] as const) {
      await submit(name, count)
      if (store === 'made from the database') await redis.reset()
      for (const period of ['all', 'month', 'week']) {
        const { status, body } = await viewer.get(`/api/v1/leaderboard?classId=${classId}&period=${period}`)
        expect(status).toBe(200)
        const truth = await sql(
          `select s.student_id as "userId", sum(s.xp_awarded)::int as score,
             rank() over (order by sum(s.xp_awarded) desc)::int as rank
           from submissions s where s.assessment_id = $1 group by 1 order by score desc, 1 desc`,
          [assessmentId],
        )
        expect(standingsOf(body)).toMatchObject(truth)
        expect(standingsOf(body)).toHaveLength(truth.length)
        const own = standingsOf(body).find(({ userId }) => userId === school.userId('student16'))
        expect(body['own']).toEqual({ rank: own?.rank, score: own?.score })
      }
    }
  })
}

test('many who earn at once end as the database says, while others read', async ({ app, redis, sql }) => {
  const students = Array.from({ length: 10 }, (_, i) => `student${20 + i}`)
  const [made] = await sql<NewClass>(NEW_CLASS, [
    school.userId('teacher1'),
    students.map((name) => school.userId(name)),
  ])
  const { classId = '', assessmentId = '', questions = [] } = made ?? {}
  await redis.reset()
  const teacher = await app.signIn('teacher1')
  const read = () => teacher.get(`/api/v1/leaderboard?classId=${classId}`)
  await Promise.all(
    students.flatMap((username, i) =>
      [1, 4, 2, 7].map(async (count) => {
        const answers = questions
          .slice(0, Math.max(1, (count + i) % 11))
          .map((id) => ({ questionId: id, answer: true }))
        const client = await app.signIn(username)
        await client.post(`/api/v1/assessments/${assessmentId}/submissions`, { answers })
        await read()
      }),
    ),
  )
  const truth = await sql(
    `select student_id as "userId", sum(xp_awarded)::int as score from submissions
     where assessment_id = $1 group by 1 order by score desc, 1 desc`,
    [assessmentId],
  )
  expect(truth).toHaveLength(students.length)
  expect(standingsOf((await read()).body)).toMatchObject(truth)
})

test('who is dropped is out of the ranking, and the others move up', async ({ app }) => {
  const { id: classId } = school.classOf('student35')
  const teacher = await app.signIn(school.teacherOf(classId))
  await earn(app, 'student35', classId, 3)
  const read = async () => standingsOf((await teacher.get(`/api/v1/leaderboard?classId=${classId}`)).body)
  expect((await read()).map(({ userId }) => userId)).toContain(school.userId('student35'))
  await teacher.delete(`/api/v1/classes/${classId}/enrollments/${school.userId('student35')}`)
  await expect.poll(async () => (await read()).map(({ userId }) => userId)).not.toContain(school.userId('student35'))
})

test('the ranking of the school is for those who teach, that of a class for those who belong to it', async ({
  app,
}) => {
  const { id } = school.classOf('student1')
  const outsider = school.outsiderOf(id)
  expect((await (await app.signIn('teacher1')).get('/api/v1/leaderboard')).status).toBe(200)
  expect((await (await app.signIn('student1')).get('/api/v1/leaderboard')).status).toBe(403)
  expect((await (await app.signIn('student1')).get(`/api/v1/leaderboard?classId=${id}`)).status).toBe(200)
  expect((await (await app.signIn(outsider.username)).get(`/api/v1/leaderboard?classId=${id}`)).status).toBe(404)
  expect((await (await app.signIn('teacher1')).get('/api/v1/leaderboard?period=decade')).status).toBe(400)
})
