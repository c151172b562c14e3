import { MikroORM } from '@mikro-orm/postgresql'
import { BENCHMARK_SCHOOL, SMALL_SCHOOL } from '#fixtures/data/school.ts'
import { prepareSeededDatabase } from '#fixtures/data/seed.ts'
import { expect, test } from '#fixtures/test.ts'
import { entities } from '#server/entities/entities.ts'
import { migrate } from '#server/migrations/migrate.ts'

const open = (url: string) => MikroORM.init({ clientUrl: url, entities })

test('after all migrations the schema is what the entities say, and migrating again changes nothing', async ({
  postgres,
}) => {
  await postgres.reset()
  await migrate(postgres.url)
  await migrate(postgres.url)
  const orm = await open(postgres.url)
  try {
    // The tables of the outbox and of the migrations belong to no entity.
    expect(await orm.schema.getUpdateSchemaSQL({ safe: true })).toBe('')
    // A comparison that finds nothing has to be able to find something.
    await orm.em.fork().execute('alter table submissions drop constraint submissions_xp_awarded_check')
    expect(await orm.schema.getUpdateSchemaSQL({ safe: true })).toContain('submissions_xp_awarded_check')
  } finally {
    await orm.close()
  }
})

/** What stands in every table, in few words. */
async function contentsOf(url: string): Promise<Record<string, { rows: number; digest: string }>> {
  const orm = await open(url)
  try {
    const tables = [...orm.getMetadata().getAll().values()].map(({ tableName }) => tableName)
    const contents = await Promise.all(
      tables.map(async (table) => {
        const sql = `select count(*)::int as rows, md5(string_agg(md5(t::text), '' order by id)) as digest from "${table}" as t`
        return [table, await orm.em.fork().execute<{ rows: number; digest: string }>(sql, [], 'get')] as const
      }),
    )
    return Object.fromEntries(contents)
  } finally {
    await orm.close()
  }
}

test('a database is seeded the same a second time, to the last byte', async ({ postgres }) => {
  const now = new Date('2026-11-22T12:00:00Z')
  await postgres.reset()
  await prepareSeededDatabase(postgres.url, SMALL_SCHOOL, now)
  const first = await contentsOf(postgres.url)
  await postgres.reset()
  await prepareSeededDatabase(postgres.url, SMALL_SCHOOL, now)
  expect(await contentsOf(postgres.url)).toEqual(first)
})

test('the benchmark school fits into the database, whole', async ({ postgres }, testInfo) => {
  test.slow()
  await postgres.reset()
  const began = performance.now()
  await prepareSeededDatabase(postgres.url, BENCHMARK_SCHOOL)
  testInfo.annotations.push({ type: 'seeding', description: `${Math.round(performance.now() - began)} ms` })
  const contents = await contentsOf(postgres.url)
  const counts = Object.fromEntries(Object.entries(contents).map(([table, { rows }]) => [table, rows]))
  expect(counts).toEqual({
    users: 2_000,
    school_classes: 200,
    enrollments: 6_000,
    lessons: 2_000,
    lesson_progress: 30_000,
    assessments: 600,
    assessment_questions: 4_800,
    submissions: 20_000,
    content_items: 3_000,
    notifications: 2_000,
  })
})

test.describe('the database itself refuses', () => {
  for (const [what, sql] of [
    ['a grade level of 13', 'update school_classes set grade_level = 13'],
    ['a class for nobody', 'update school_classes set max_students = 0'],
    ['more than the whole of a lesson', 'update lesson_progress set percent = 100.5'],
    ['a progress that is no number', `update lesson_progress set percent = 'NaN'`],
    ['an enrolment in a status that is none', `update enrollments set status = 'maybe'`],
    [
      'a second enrolment in the same class',
      'insert into enrollments select gen_random_uuid(), school_class_id, student_id, status, enrolled_at from enrollments limit 1',
    ],
    ['an attempt number zero', 'update submissions set attempt_no = 0'],
    ['two lessons in one place', 'update lessons set order_index = 1'],
    ['negative experience for an attempt', 'update submissions set xp_awarded = -1'],
    ['a lesson of no class', 'update lessons set school_class_id = gen_random_uuid()'],
  ] as const) {
    test(what, async ({ seededDatabase }) => {
      const orm = await open(seededDatabase.url)
      try {
        await expect(orm.em.fork().execute(sql)).rejects.toThrow(/violates|invalid/)
      } finally {
        await orm.close()
      }
    })
  }
})
