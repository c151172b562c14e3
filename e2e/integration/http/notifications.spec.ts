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
  expect(body['items']).not.toEqual([])
})
