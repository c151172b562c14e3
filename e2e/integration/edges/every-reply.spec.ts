import { seededSchool } from '#fixtures/data/seed.ts'
import { expect, test } from '#fixtures/test.ts'
import { parseServerTiming } from '#measurement/load/server-timing.ts'

const lesson = `/api/v1/lessons/${seededSchool().lessons.find(({ isPublished }) => isPublished)?.id}`

for (const [what, method, path, status] of [
  ['an answer', 'GET', lesson, 200],
  ['a refusal', 'GET', '/api/v1/lessons/42', 400],
  ['an unknown path', 'GET', '/nothing', 404],
  ['a wrong method', 'DELETE', lesson, 405],
  ['the page', 'GET', '/', 200],
  ['health', 'GET', '/health/live', 200],
  ['metrics', 'GET', '/metrics', 200],
] as const) {
  test(`${what} carries the time it took, a request id, and the headers that keep a browser out of trouble`, async ({
    app,
  }) => {
    const client = await app.signIn('admin')
    const reply = await client.send(method, path)
    expect(reply.status).toBe(status)
    const { headers } = reply
    const timing = parseServerTiming(headers.get('server-timing') ?? '')
    expect([...timing.keys()]).toEqual(['cache', 'db', 'total'])
    expect(timing.get('total')).toBeGreaterThan(0)
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('content-security-policy')).toContain("default-src 'self'")
    expect(headers.get('strict-transport-security')).toContain('max-age=')
    expect(headers.get('x-powered-by')).toBeNull()
    expect(headers.get('access-control-allow-origin')).toBeNull()
  })
}

test('a reading that was loaded was longer in the database than one from the cache', async ({ app }) => {
  const client = await app.signIn('admin')
  const timingOf = (headers: Headers): ReadonlyMap<string, number> =>
    parseServerTiming(headers.get('server-timing') ?? '')
  await client.send('DELETE', `/api/v1/admin/cache/tags/lesson:${lesson.slice(-36)}`)
  const cold = timingOf((await client.get(lesson)).headers)
  expect(cold.get('db')).toBeGreaterThan(0)
  expect(cold.get('cache')).toBeGreaterThan(0)
  expect(cold.get('total')).toBeGreaterThanOrEqual(cold.get('db') ?? Infinity)
  // An admin's second reading has nothing to ask of the database.
  const warm = timingOf((await client.get(lesson)).headers)
  expect(warm.get('db')).toBe(0)
})

test('a 304 carries its time as well', async ({ app }) => {
  const client = await app.signIn('admin')
  const { headers } = await client.get(lesson)
  const again = await client.get(lesson, { 'if-none-match': headers.get('etag') ?? '' })
  expect(again.status).toBe(304)
  expect(again.headers.get('server-timing')).toContain('total;dur=')
})
