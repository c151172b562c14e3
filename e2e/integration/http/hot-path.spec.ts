import { SchoolIndex } from '#fixtures/data/school-index.ts'
import { seededSchool } from '#fixtures/data/seed.ts'
import { expect, test } from '#fixtures/test.ts'

const school = new SchoolIndex(seededSchool())
const { id: classId } = school.classOf('student1')
const teacher = school.teacherOf(classId)
const assessmentId = school.assessment(classId, 'published').id

/** Everything that a reading could ask for. */
const TABLES = [
  'users',
  'school_classes',
  'enrollments',
  'lessons',
  'lesson_progress',
  'assessments',
  'assessment_questions',
  'submissions',
  'content_items',
]

for (const [path, username] of [
  [`/lessons/${school.lesson(classId).id}`, 'student1'],
  [`/lessons/${school.lesson(classId).id}/statistics`, teacher],
  [`/classes/${classId}`, 'student1'],
  [`/classes/${classId}/students`, teacher],
  ['/classes', 'student1'],
  [`/assessments/${assessmentId}`, 'student1'],
  [`/assessments/${assessmentId}/statistics`, teacher],
  ['/content?search=waves', 'student1'],
  ['/dashboard/overview', 'student1'],
  ['/dashboard/overview', teacher],
  ['/metrics/dashboard', 'admin'],
  ['/metrics/activity', 'admin'],
] as const) {
  test(`a warm GET ${path.replace(/[0-9a-f-]{36}/, ':id')} as ${username.replace(/\d+/, '')} asks the database nothing, is the same to the byte, and gets 304`, async ({
    app,
    sql,
  }) => {
    const client = await app.signIn(username)
    const warm = await client.get(`/api/v1${path}`)
    expect(warm.status).toBe(200)
    const etag = warm.headers.get('etag') ?? ''
    expect(etag).toMatch(/^"[\w-]{27}"$/)
    // Whoever asks the database now gets an error.
    for (const table of TABLES) await sql(`alter table ${table} rename to ${table}_away`)
    try {
      const hit = await client.get(`/api/v1${path}`)
      expect(hit.status).toBe(200)
      expect([hit.headers.get('etag'), hit.body]).toEqual([etag, warm.body])
      const again = await client.get(`/api/v1${path}`, { 'if-none-match': etag })
      expect([again.status, again.headers.get('etag')]).toEqual([304, etag])
    } finally {
      for (const table of TABLES) await sql(`alter table ${table}_away rename to ${table}`)
    }
  })
}
