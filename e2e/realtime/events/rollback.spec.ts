import { SchoolIndex } from '#fixtures/data/school-index.ts'
import { seededSchool } from '#fixtures/data/seed.ts'
import { expect, test } from '#fixtures/test.ts'

const school = new SchoolIndex(seededSchool())

/** Refuses the commit itself, when everything else of the transaction has been done. */
const REFUSE_COMMIT = `
  create function refuse_commit() returns trigger language plpgsql as
    $$ begin raise exception 'the disk is full' using errcode = '53100'; end $$;
  create constraint trigger refuse_commit after insert on submissions deferrable initially deferred
    for each row execute function refuse_commit()`
const ALLOW_COMMIT = 'drop trigger refuse_commit on submissions; drop function refuse_commit()'

test('a commit that fails leaves nothing: no row, no experience, no event, no invalidation, and the key is free', async ({
  app,
  realtime,
  sql,
}) => {
  const { id: classId } = school.classOf('student26')
  const assessment = school.assessment(classId, 'published')
  const teacherName = school.teacherOf(classId)
  const [student, teacher] = [await app.signIn('student26'), await app.signIn(teacherName)]
  const listener = await realtime.connectAs('student26')
  await listener.subscribe(`private-user-${school.userId('student26')}`)
  await listener.subscribe(`private-class-${classId}`)
  const statistics = await teacher.get(`/api/v1/assessments/${assessment.id}/statistics`)
  const etag = { 'if-none-match': statistics.headers.get('etag') ?? '' }
  const answers = school
    .questions(assessment.id)
    .map(({ id, correctAnswer }) => ({ questionId: id, answer: correctAnswer ?? 'So.' }))
  const submit = () =>
    student.post(`/api/v1/assessments/${assessment.id}/submissions`, { answers }, { 'idempotency-key': 'rolled-back' })

  await sql(REFUSE_COMMIT)
  try {
    expect((await submit()).status).toBe(503)
    const left = await sql(
      `select (select count(*)::int from submissions where student_id = $1) as submissions,
         (select xp from users where id = $1) as xp`,
      [school.userId('student26')],
    )
    expect(left).toEqual([{ submissions: 0, xp: 0 }])
    expect((await teacher.get(`/api/v1/assessments/${assessment.id}/statistics`, etag)).status).toBe(304)
  } finally {
    await sql(ALLOW_COMMIT)
  }
  expect((await submit()).status).toBe(201)
  // What was committed is in the same channels: had the other one been published, it would have come first.
  await expect
    .poll(() => listener.received.map(({ event }) => event).toSorted())
    .toEqual(['leaderboard.updated', 'quiz.result'])
  expect((await teacher.get(`/api/v1/assessments/${assessment.id}/statistics`, etag)).status).toBe(200)
})
