import { SchoolIndex } from '#fixtures/data/school-index.ts'
import { seededSchool } from '#fixtures/data/seed.ts'
import { expect, test } from '#fixtures/test.ts'

const school = new SchoolIndex(seededSchool())
const notifications = '/api/v1/notifications'

/** Puts so many notifications there, the first of them the newest, some at the same moment. */
const INSERT = `
  insert into notifications (id, user_id, title, message, kind, data, created_at)
  select gen_random_uuid(), $1, 'News ' || n, 'text', 'news', '{}', '2026-09-01'::timestamptz - (n / 2) * interval '1 ms'
  from generate_series(1, $2::int) as n`

test('the pages hold every notification once, the newest first', async ({ app, sql }) => {
  await sql(INSERT, [school.userId('teacher2'), 25])
  const client = await app.signIn('teacher2')
  const items: { id: string; createdAt: string }[] = []
  let query = '?limit=7'
  for (;;) {
    const { status, body } = await client.get(`${notifications}${query}`)
    expect(status).toBe(200)
    items.push(...(body['items'] as typeof items))
    if (body['nextCursor'] === null) break
    query = `?limit=7&cursor=${body['nextCursor'] as string}`
  }
  const own = await sql<{ id: string }>('select id from notifications where user_id = $1', [school.userId('teacher2')])
  expect(items.map(({ id }) => id).toSorted()).toEqual(own.map(({ id }) => id).toSorted())
  expect(items.map(({ createdAt }) => createdAt)).toEqual(
    items
      .map(({ createdAt }) => createdAt)
      .toSorted()
      .toReversed(),
  )
})

test('pages of seven hold each of fifty notifications once that differ in microseconds only', async ({ app, sql }) => {
  const userId = school.userId('student31')
  await sql(
    `insert into notifications (id, user_id, title, message, kind, data, created_at)
     select gen_random_uuid(), $1, 'News ' || n, 'text', 'news', '{}', '2026-09-01'::timestamptz + n * interval '1 us'
     from generate_series(1, 50) as n`,
    [userId],
  )
  const client = await app.signIn('student31')
  const titles: string[] = []
  let query = '?limit=7'
  for (;;) {
    const { body } = await client.get(`${notifications}${query}`)
    titles.push(...(body['items'] as { title: string }[]).map(({ title }) => title))
    if (body['nextCursor'] === null) break
    query = `?limit=7&cursor=${body['nextCursor'] as string}`
  }
  const news = titles.filter((title) => title.startsWith('News '))
  expect(news).toEqual(Array.from({ length: 50 }, (_, n) => `News ${50 - n}`))
})

test('moments that the API cannot name are the first and the last that it can, and can be paged over', async ({
  app,
  sql,
}) => {
  const userId = school.userId('student32')
  const moments = ['infinity', '20000-01-01', '2026-09-01', '0044-03-15 BC', '-infinity']
  for (const moment of moments) {
    await sql(
      `insert into notifications (id, user_id, title, message, kind, data, created_at)
       values (gen_random_uuid(), $1, $2::text, 'text', 'odd', '{}', ($2::text)::timestamptz)`,
      [userId, moment],
    )
  }
  const client = await app.signIn('student32')
  const items: { title: string; kind: string; createdAt: string }[] = []
  for (let query = '?limit=1'; query !== '';) {
    const { status, body } = await client.get(`${notifications}${query}`)
    expect(status).toBe(200)
    items.push(...(body['items'] as typeof items))
    query = body['nextCursor'] === null ? '' : `?limit=1&cursor=${body['nextCursor'] as string}`
  }
  const odd = items.filter(({ kind }) => kind === 'odd')
  expect(odd.map(({ title }) => title)).toEqual(moments)
  const [first, second] = ['9999-12-31T23:59:59.999Z', '0001-01-01T00:00:00.000Z']
  expect(odd.map(({ createdAt }) => createdAt)).toEqual([first, first, '2026-09-01T00:00:00.000Z', second, second])
})

for (const first of ['1', '2026-02-30T00:00:00Z', '10000-01-01T00:00:00.000Z', '300000-01-01 00:00:00', 'now', '']) {
  test(`a cursor that names the moment "${first}" gets 400`, async ({ app }) => {
    const client = await app.signIn('student31')
    const values = JSON.stringify([first, '00000000-0000-4000-8000-000000000000'])
    const { status, body } = await client.get(`${notifications}?cursor=${Buffer.from(values).toString('base64url')}`)
    expect(status).toBe(400)
    expect(body).toMatchObject({ code: 'invalid_request' })
  })
}

test('what is marked as read is read, once, and counts as such at once', async ({ app, sql }) => {
  await sql(INSERT, [school.userId('teacher3'), 4])
  const client = await app.signIn('teacher3')
  const { body } = await client.get(notifications)
  expect(body['unread']).toBe(4)
  const [first] = body['items'] as { id: string }[]
  expect((await client.patch(notifications, { ids: [first?.id] })).body).toEqual({ marked: 1 })
  expect((await client.patch(notifications, { ids: [first?.id] })).body).toEqual({ marked: 0 })
  expect((await client.get(notifications)).body['unread']).toBe(3)
  expect((await client.patch(notifications, { all: true })).body).toEqual({ marked: 3 })
  expect((await client.get(notifications)).body['unread']).toBe(0)
})

test('nobody marks what is of others', async ({ app, sql }) => {
  await sql(INSERT, [school.userId('teacher4'), 1])
  const [{ id } = { id: '' }] = await sql<{ id: string }>('select id from notifications where user_id = $1', [
    school.userId('teacher4'),
  ])
  expect((await (await app.signIn('teacher5')).patch(notifications, { ids: [id] })).body).toEqual({ marked: 0 })
  expect((await (await app.signIn('teacher4')).get(notifications)).body['unread']).toBe(1)
})

test('a parent has notifications too', async ({ app }) => {
  const { status, body } = await (await app.signIn('parent1')).get(notifications)
  expect(status).toBe(200)
  const kinds = (body['items'] as { kind: string }[]).map(({ kind }) => kind)
  expect(kinds.length).toBeGreaterThan(0)
})
