import { SchoolIndex } from '#fixtures/data/school-index.ts'
import { seededSchool } from '#fixtures/data/seed.ts'
import type { ApiClient } from '#fixtures/playwright/api-client.ts'
import { expect, test } from '#fixtures/test.ts'

const school = new SchoolIndex(seededSchool())
const fields = { name: 'Astronomy 7', subject: 'Astronomy', gradeLevel: 7 }

interface ClassBody {
  readonly id: string
  readonly version: number
  readonly studentCount: number
}

async function create(client: ApiClient, more: object = {}): Promise<ClassBody> {
  const reply = await client.post('/api/v1/classes', { ...fields, ...more })
  expect(reply.status).toBe(201)
  return reply.body as unknown as ClassBody
}

async function listAll(client: ApiClient, query = ''): Promise<{ id: string; name: string }[]> {
  const items: { id: string; name: string }[] = []
  let cursor: string | null = null
  do {
    const from: string = cursor === null ? '' : `&cursor=${cursor}`
    const { status, body } = await client.get(`/api/v1/classes?limit=3${query}${from}`)
    expect(status).toBe(200)
    items.push(...(body['items'] as typeof items))
    cursor = body['nextCursor'] as string | null
  } while (cursor !== null)
  return items
}

for (const username of ['student3', 'teacher2']) {
  test(`the pages of ${username} hold every own class once, in order of name, and no other`, async ({ app }) => {
    const items = await listAll(await app.signIn(username))
    expect(items.map(({ id }) => id).toSorted()).toEqual(
      expect.arrayContaining(
        school
          .classesOf(username)
          .map(({ id }) => id)
          .toSorted(),
      ),
    )
    expect(new Set(items.map(({ id }) => id)).size).toBe(items.length)
    expect(items.map(({ name }) => name)).toEqual(items.map(({ name }) => name).toSorted())
    const foreign = school.classOf(username === 'teacher2' ? 'teacher3' : 'student9', username)
    expect(items.map(({ id }) => id)).not.toContain(foreign.id)
  })
}

test('filters narrow the list, and a grade without classes has none', async ({ app }) => {
  const admin = await app.signIn('admin')
  const { subject, gradeLevel } = school.classOf('teacher1')
  const expected = school.school.classes.filter((one) => one.subject === subject && one.gradeLevel === gradeLevel)
  const found = await listAll(admin, `&subject=${subject}&grade=${gradeLevel}`)
  expect(found.map(({ id }) => id)).toEqual(expect.arrayContaining(expected.map(({ id }) => id)))
  expect(await listAll(admin, '&subject=Alchemy')).toEqual([])
})

for (const query of [
  'grade=13',
  'limit=0',
  'limit=101',
  'cursor=x',
  'cursor=WzEsMl0',
  'cursor=WyJhIiwiYiJd',
  'teacher=me',
  'grade=7&grade=8',
  'limit=1e1',
  'limit=0x10',
  'limit=%2010',
  'limit=10.0',
  'limit=%2B5',
  'limit=010',
  'limit=-1',
  'limit=',
  'limit=5&limit=6',
  'limit[]=5',
  'limit=99999999999999999999',
  'grade=VII',
  `cursor=${'A'.repeat(3_000)}`,
]) {
  test(`the query ${query.slice(0, 40)} is refused with 400`, async ({ app }) => {
    expect((await (await app.signIn('admin')).get(`/api/v1/classes?${query}`)).status).toBe(400)
  })
}

test('a class that a teacher creates is theirs, with the default capacity, and in their list at once', async ({
  app,
}) => {
  const teacher = await app.signIn('teacher1')
  await listAll(teacher)
  const created = await create(teacher, { room: 'R1' })
  expect(created).toMatchObject({
    ...fields,
    room: 'R1',
    maxStudents: 30,
    studentCount: 0,
    isActive: true,
    version: 1,
    teacher: { id: school.userId('teacher1') },
  })
  expect((await listAll(teacher)).map(({ id }) => id)).toContain(created.id)
  expect((await teacher.get(`/api/v1/classes/${created.id}`)).body).toEqual(created)
  expect((await (await app.signIn('teacher2')).get(`/api/v1/classes/${created.id}`)).status).toBe(404)
})

test('an unknown class stays unknown only until it is there', async ({ app, sql }) => {
  const admin = await app.signIn('admin')
  const id = '11111111-1111-4111-8111-111111111111'
  expect((await admin.get(`/api/v1/classes/${id}`)).status).toBe(404)
  const { id: made } = await create(admin, { teacherId: school.userId('teacher1') })
  await sql('update school_classes set id = $1 where id = $2', [id, made])
  // Kept as absent: a short negative entry, which a change of the class would end.
  expect((await admin.get(`/api/v1/classes/${id}`)).status).toBe(404)
  expect((await admin.delete(`/api/v1/admin/cache/tags/class:${id}`)).status).toBe(200)
  expect((await admin.get(`/api/v1/classes/${id}`)).status).toBe(200)
})

test('a change shows at once, for everybody, and raises the version', async ({ app }) => {
  const teacher = await app.signIn('teacher1')
  const { id } = await create(teacher)
  const before = await teacher.get(`/api/v1/classes/${id}`)
  const changed = await teacher.patch(`/api/v1/classes/${id}`, { version: 1, name: 'Astronomy 8', gradeLevel: 8 })
  expect(changed.status).toBe(200)
  expect(changed.body).toMatchObject({ name: 'Astronomy 8', gradeLevel: 8, version: 2 })
  const after = await (await app.signIn('admin')).get(`/api/v1/classes/${id}`)
  expect(after.body).toEqual(changed.body)
  expect(after.headers.get('etag')).not.toBe(before.headers.get('etag'))
})

test('of two changes to the same version one wins, the other gets 409 and changes nothing', async ({ app }) => {
  const teacher = await app.signIn('teacher1')
  const { id } = await create(teacher)
  const replies = await Promise.all(
    ['left', 'right'].map((room) => teacher.patch(`/api/v1/classes/${id}`, { version: 1, room })),
  )
  expect(replies.map(({ status }) => status)).toEqual(expect.arrayContaining([200, 409]))
  const winner = replies.find(({ status }) => status === 200)
  expect((await teacher.get(`/api/v1/classes/${id}`)).body).toEqual(winner?.body)
})

test('an admin gives a class to another teacher: the one loses it and the other has it, at once', async ({ app }) => {
  const [admin, before, after] = [await app.signIn('admin'), await app.signIn('teacher3'), await app.signIn('teacher4')]
  const { id } = await create(before)
  expect((await before.get(`/api/v1/classes/${id}`)).status).toBe(200)
  expect((await after.get(`/api/v1/classes/${id}`)).status).toBe(404)
  const given = await admin.patch(`/api/v1/classes/${id}`, { version: 1, teacherId: school.userId('teacher4') })
  expect(given.status).toBe(200)
  expect((await before.get(`/api/v1/classes/${id}`)).status).toBe(404)
  expect((await after.get(`/api/v1/classes/${id}`)).status).toBe(200)
})

for (const [what, body, status] of [
  ['no fields at all', {}, 400],
  ['a grade of 0', { ...fields, gradeLevel: 0 }, 400],
  ['a name that is too long', { ...fields, name: 'x'.repeat(201) }, 400],
  ['a name with a NUL', { ...fields, name: 'a\u0000b' }, 400],
  ['a class for nobody', { ...fields, maxStudents: 0 }, 400],
  ['a student for a teacher', { ...fields, teacherId: school.userId('student1') }, 400],
  ['a field of its own', { ...fields, id: school.userId('student1') }, 400],
] as const) {
  test(`${what} makes no class`, async ({ app }) => {
    expect((await (await app.signIn('admin')).post('/api/v1/classes', body)).status).toBe(status)
  })
}

test('an update without fields is no change', async ({ app }) => {
  const teacher = await app.signIn('teacher1')
  const { id } = await create(teacher)
  expect((await teacher.patch(`/api/v1/classes/${id}`, { version: 1 })).body).toMatchObject({ version: 1 })
})

test('an id in capitals is the same class: what is kept of it ends with the class, and changing it ends what is kept', async ({
  app,
}) => {
  const teacher = await app.signIn('teacher1')
  const { id, version } = await create(teacher, { name: 'Sailing' })
  const [lower, upper] = [`/api/v1/classes/${id}`, `/api/v1/classes/${id.toUpperCase()}`]
  for (const path of [lower, upper]) expect((await teacher.get(path)).body['name']).toBe('Sailing')
  const changed = await teacher.patch(upper, { name: 'Rowing', version })
  expect(changed.body['name']).toBe('Rowing')
  for (const path of [lower, upper]) expect((await teacher.get(path)).body['name']).toBe('Rowing')
  await teacher.patch(lower, { name: 'Diving', version: changed.body['version'] })
  for (const path of [lower, upper]) expect((await teacher.get(path)).body['name']).toBe('Diving')
})

test('classes with the longest names that there can be are paged over', async ({ app }) => {
  const teacher = await app.signIn('teacher4')
  for (const name of ['😀'.repeat(100), '"'.repeat(200), '漢'.repeat(200)]) await create(teacher, { name })
  const names: string[] = []
  for (let query = '?limit=1'; query !== '';) {
    const { status, body } = await teacher.get(`/api/v1/classes${query}`)
    expect(status).toBe(200)
    names.push(...(body['items'] as { name: string }[]).map(({ name }) => name))
    query = body['nextCursor'] === null ? '' : `?limit=1&cursor=${body['nextCursor'] as string}`
  }
  expect(names).toEqual(expect.arrayContaining(['😀'.repeat(100), '"'.repeat(200), '漢'.repeat(200)]))
})

test('a class that was made and changed at a moment that no date holds is changed like anything else', async ({
  app,
  sql,
}) => {
  const teacher = await app.signIn('teacher1')
  for (const moment of ['infinity', '-infinity', '20000-01-01', '0044-03-15 BC']) {
    const { id } = await create(teacher)
    const stamps = 'created_at = $2::timestamptz, updated_at = $2::timestamptz'
    await sql(`update school_classes set ${stamps} where id = $1`, [id, moment])
    const changed = await teacher.patch(`/api/v1/classes/${id}`, { version: 1, name: 'Rowing of old' })
    expect([changed.status, moment]).toEqual([200, moment])
  }
})
