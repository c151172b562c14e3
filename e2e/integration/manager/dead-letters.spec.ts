import { Client } from 'pg'
import { expect, test } from '#fixtures/test.ts'

const PATH = '/api/v1/admin/dead-letters'
const HEADERS = { 'content-type': 'application/json' }

interface Letter {
  readonly id: string
  readonly reason: string
}

/** Sets aside so many events, as the relay does with what Pusher refuses; the ids, the oldest first. */
async function setAside(database: Client, count: number): Promise<readonly string[]> {
  const { rows } = await database.query<{ id: string }>(
    `insert into hotpath_outbox (channel, event, data, dead_at, reason)
     select 'private-content-updates', 'content.updated', '{"secret":"of the event"}', now(), 'http_413'
     from generate_series(1, $1) returning id::text`,
    [count],
  )
  return rows.map(({ id }) => id)
}

test('dead letters degrade health until an admin has put some back, which are delivered, and removed the others', async ({
  app,
  seededDatabase,
}) => {
  const admin = await app.signIn('admin')
  const database = new Client(seededDatabase.url)
  await database.connect()
  const left = async (): Promise<unknown[]> =>
    (await database.query('select id::text from hotpath_outbox where delivered_at is null order by id')).rows
  const reasons = async (): Promise<unknown> => (await app.anonymous.get('/health/performance')).body['reasons']
  const post = (body: object) => admin.send('POST', `${PATH}/requeue`, { headers: HEADERS, body: JSON.stringify(body) })
  try {
    const ids = await setAside(database, 5)
    const [first = '', second = '', third = '', ...others] = ids
    await expect.poll(reasons).toEqual(['pusher: outbox: 5 dead letters'])

    const pages: Letter[] = []
    for (let cursor: string | null = ''; cursor !== null;) {
      const { body } = await admin.get(`${PATH}?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`)
      expect(JSON.stringify(body)).not.toContain('of the event')
      pages.push(...(body['items'] as Letter[]))
      cursor = body['nextCursor'] as string | null
    }
    expect(pages.map(({ id }) => id)).toEqual(ids.toReversed())
    expect(pages[0]).toMatchObject({ channel: 'private-content-updates', event: 'content.updated', reason: 'http_413' })

    expect((await post({ ids: [first, '999999999'] })).body).toEqual({ requeued: 1 })
    // Only what Pusher has taken is delivered.
    await expect.poll(left).toEqual([second, third, ...others].map((id) => ({ id })))
    expect((await admin.send('DELETE', `${PATH}/${second}`)).body).toEqual({ id: second })
    expect((await admin.send('DELETE', `${PATH}/${second}`)).status).toBe(404)
    expect(await left()).toEqual([third, ...others].map((id) => ({ id })))
    expect((await post({ all: true })).body).toEqual({ requeued: 3 })
    await expect.poll(left).toEqual([])
    await expect.poll(reasons).toEqual([])
  } finally {
    await database.query('delete from hotpath_outbox where dead_at is not null')
    await database.end()
  }
})

test('a dead letter stays where it is when somebody asks for it who is no admin, or wrongly', async ({
  app,
  seededDatabase,
}) => {
  const database = new Client(seededDatabase.url)
  await database.connect()
  try {
    const [id = ''] = await setAside(database, 1)
    const admin = await app.signIn('admin')
    const teacher = await app.signIn('teacher1')
    const send = (client: typeof admin, body: unknown) =>
      client.send('POST', `${PATH}/requeue`, { headers: HEADERS, body: JSON.stringify(body) })
    expect((await teacher.get(PATH)).status).toBe(403)
    expect((await send(teacher, { all: true })).status).toBe(403)
    expect((await teacher.send('DELETE', `${PATH}/${id}`)).status).toBe(403)
    for (const body of [
      {},
      { ids: [] },
      { ids: ['0'] },
      { ids: ['9'.repeat(19)] },
      { all: false },
      { ids: [id], all: true },
    ]) {
      expect((await send(admin, body)).status, JSON.stringify(body)).toBe(400)
    }
    expect((await admin.get(`${PATH}?cursor=-1`)).status).toBe(400)
    expect((await admin.send('DELETE', `${PATH}/x`)).status).toBe(400)
    const { rows } = await database.query('select dead_at is not null as dead from hotpath_outbox where id = $1', [id])
    expect(rows).toEqual([{ dead: true }])
  } finally {
    await database.query('delete from hotpath_outbox where dead_at is not null')
    await database.end()
  }
})
