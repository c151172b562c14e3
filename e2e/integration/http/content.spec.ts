import { SchoolIndex } from '#fixtures/data/school-index.ts'
import { seededSchool } from '#fixtures/data/seed.ts'
import type { ApiClient, ApiReply } from '#fixtures/playwright/api-client.ts'
import { expect, test } from '#fixtures/test.ts'

const school = new SchoolIndex(seededSchool())
const fields = {
  title: 'Comets',
  contentType: 'article',
  subject: 'Astronomy',
  gradeLevel: 7,
  difficulty: 'easy',
  data: { body: 'Ice and dust.', links: [{ to: 'https://example.org' }] },
}

interface Item {
  readonly id: string
  readonly title: string
  readonly status: string
  readonly creatorId: string
  readonly subject: string
  readonly gradeLevel: number
}

async function listAll(client: ApiClient, query = ''): Promise<{ items: Item[]; total: number }> {
  const items: Item[] = []
  let cursor: string | null = null
  let total = 0
  do {
    const from: string = cursor === null ? '' : `&cursor=${cursor}`
    const { status, body } = await client.get(`/api/v1/content?limit=20${query}${from}`)
    expect(status).toBe(200)
    items.push(...(body['items'] as Item[]))
    total = body['total'] as number
    cursor = body['nextCursor'] as string | null
  } while (cursor !== null)
  return { items, total }
}

const create = async (client: ApiClient, more: object = {}): Promise<ApiReply> => {
  const reply = await client.post('/api/v1/content', { ...fields, ...more })
  expect(reply.status).toBe(201)
  return reply
}

test('students find what is published, teachers their own too, admins everything; each once and counted', async ({
  app,
}) => {
  const own = school.userId('teacher1')
  for (const [username, maySee] of [
    ['student1', ({ status }: Item) => status === 'published'],
    ['teacher1', ({ status, creatorId }: Item) => status === 'published' || creatorId === own],
    ['admin', () => true],
  ] as const) {
    const { items, total } = await listAll(await app.signIn(username))
    expect(items).toHaveLength(total)
    expect(new Set(items.map(({ id }) => id)).size).toBe(total)
    expect(items.every(maySee)).toBe(true)
    const seeded = school.school.content.map(({ creator, ...row }) => ({ ...row, creatorId: creator })).filter(maySee)
    expect(items.map(({ id }) => id)).toEqual(expect.arrayContaining(seeded.map(({ id }) => id)))
  }
})

test('the search finds parts of titles in any case, and takes its signs as they are', async ({ app }) => {
  const teacher = await app.signIn('teacher1')
  const { body } = await create(teacher, { title: String.raw`100 % of_it \ done` })
  for (const search of ['100 %', 'OF_IT', String.raw`\ d`]) {
    const { items } = await listAll(teacher, `&search=${encodeURIComponent(search)}`)
    expect(items.map(({ id }) => id)).toEqual([body['id']])
  }
  // As wildcards these would match everything.
  for (const search of ['1%e', '1_0 %', '%%%%']) {
    expect((await listAll(teacher, `&search=${encodeURIComponent(search)}`)).total).toBe(0)
  }
})

test('filters together narrow the list to what fits them all', async ({ app }) => {
  const admin = await app.signIn('admin')
  const { items } = await listAll(admin, '&status=draft')
  expect(items.length).toBeGreaterThan(0)
  expect(items.every(({ status }) => status === 'draft')).toBe(true)
  const [{ subject, gradeLevel } = { subject: '', gradeLevel: 0 }] = items
  const narrowed = await listAll(admin, `&status=draft&subject=${subject}&grade=${gradeLevel}`)
  const expected = items.filter((one) => one.subject === subject && one.gradeLevel === gradeLevel)
  expect(narrowed.items.map(({ id }) => id).toSorted()).toEqual(expected.map(({ id }) => id).toSorted())
})

test('a draft is its maker’s until it is published, and everybody’s at once afterwards', async ({ app }) => {
  const [maker, other, student] = await Promise.all(
    ['teacher1', 'teacher2', 'student1'].map((name) => app.signIn(name)),
  )
  if (maker === undefined || other === undefined || student === undefined)
    throw new Error('three people were asked for')
  const { body: draft } = await create(maker)
  expect(draft).toMatchObject({ ...fields, status: 'draft', version: 1, publishedAt: null })
  const path = `/api/v1/content/${draft['id'] as string}`
  const statuses = async () => Promise.all([maker, other, student].map(async (one) => (await one.get(path)).status))
  expect(await statuses()).toEqual([200, 404, 404])
  expect((await other.post(`${path}/publish`, {})).status).toBe(404)
  expect((await student.post(`${path}/publish`, {})).status).toBe(403)

  const published = await maker.post(`${path}/publish`, {})
  expect(published.body).toMatchObject({ status: 'published', version: 2 })
  expect(await statuses()).toEqual([200, 200, 200])
  expect((await student.get(path)).body).toEqual(published.body)
  expect((await maker.post(`${path}/publish`, {})).body).toEqual(published.body)
})

test('a change raises the version, shows at once, and an outdated one gets 409', async ({ app }) => {
  const maker = await app.signIn('teacher1')
  const { body } = await create(maker)
  const path = `/api/v1/content/${body['id'] as string}`
  await maker.get(path)
  const changed = await maker.patch(path, { version: 1, title: 'Comets and stars', data: { body: 'More.' } })
  expect(changed.body).toMatchObject({ version: 2, title: 'Comets and stars', data: { body: 'More.' } })
  expect((await maker.get(path)).body).toEqual(changed.body)
  expect((await maker.patch(path, { version: 1, title: 'Late' })).status).toBe(409)
  expect((await (await app.signIn('teacher2')).patch(path, { version: 2, title: 'Mine' })).status).toBe(404)
})

test('only an admin approves and rejects, and what was rejected is not published', async ({ app }) => {
  const [maker, admin] = [await app.signIn('teacher1'), await app.signIn('admin')]
  const { body } = await create(maker)
  const path = `/api/v1/content/${body['id'] as string}`
  expect((await maker.patch(path, { version: 1, status: 'pending' })).status).toBe(200)
  expect((await maker.patch(path, { version: 2, status: 'approved' })).status).toBe(403)
  expect((await admin.patch(path, { version: 2, status: 'rejected' })).status).toBe(200)
  expect((await maker.post(`${path}/publish`, {})).status).toBe(409)
})

for (const [what, more] of [
  ['a NUL deep inside', { data: { a: [{ b: 'x\u0000y' }] } }],
  ['a NUL in a name', { data: { 'x\u0000y': 1 } }],
  ['half of a surrogate pair', { data: { a: '\ud800' } }],
  ['a thousand levels', { data: JSON.parse(`{"a":${'['.repeat(1_000)}${']'.repeat(1_000)}}`) as object }],
  ['a list instead of an object', { data: [] }],
  ['a title of spaces that are none', { title: 'a\u0000' }],
  ['a status of its own', { status: 'published' }],
] as const) {
  test(`content with ${what} is refused with 400`, async ({ app }) => {
    expect((await (await app.signIn('teacher1')).post('/api/v1/content', { ...fields, ...more })).status).toBe(400)
  })
}

for (const [title, other] of [
  ['ΣΊΣΥΦΟΣ', 'σίσυφος'],
  ['İstanbul', 'i̇stanbul'],
  ['STRASSE', 'straße'],
] as const) {
  test(`a search for ${title} finds it also right after one for ${other}, which the database folds in another way`, async ({
    app,
  }) => {
    const admin = await app.signIn('admin')
    const unique = `${title} ${Date.now()}`
    await create(admin, { title: unique })
    const find = async (text: string): Promise<number> =>
      (await admin.get(`/api/v1/content?search=${encodeURIComponent(text)}`)).body['total'] as number
    await find(unique.replace(title, other))
    expect(await find(unique)).toBe(1)
  })
}

test('what was published, made or changed at a moment that the API cannot name is read and changed like anything else', async ({
  app,
  sql,
}) => {
  const maker = await app.signIn('teacher1')
  for (const moment of ['infinity', '-infinity', '20000-01-01', '0044-03-15 BC']) {
    const { body } = await create(maker)
    await sql(
      `update content_items set published_at = $2::timestamptz, created_at = $2::timestamptz, updated_at = $2::timestamptz,
         status = 'published' where id = $1`,
      [body['id'], moment],
    )
    const path = `/api/v1/content/${body['id'] as string}`
    const published = await maker.post(`${path}/publish`, {})
    expect([published.status, moment]).toEqual([200, moment])
    const changed = await maker.patch(path, { version: 1, title: 'Comets of old' })
    expect([changed.status, moment]).toEqual([200, moment])
    expect(changed.body['publishedAt']).toMatch(/^(?:9999-12-31T23:59:59.999|0001-01-01T00:00:00.000)Z$/)
    expect((await maker.get(path)).body).toEqual(changed.body)
  }
})
