import { seededSchool } from '#fixtures/data/seed.ts'
import { ApiClient } from '#fixtures/playwright/api-client.ts'
import { startServerProcess } from '#fixtures/playwright/server-process.ts'
import { expect, test } from '#fixtures/test.ts'
import { parseServerTiming } from '#measurement/load/server-timing.ts'

interface Group {
  readonly name: string
  readonly error: string | null
  readonly items: readonly { readonly name: string; readonly status: string; readonly error: string | null }[]
}

test('what was warmed is read without the database, because it lies where requests look for it', async ({ app }) => {
  const admin = await app.signIn('admin')
  const { status, body } = await admin.send('POST', '/api/v1/admin/cache/warm')
  expect(status).toBe(200)
  expect(body).toMatchObject({ status: 'completed', reason: null })
  expect(body['successfulWarmups']).toBe(body['totalWarmups'])
  const groups = body['groups'] as Group[]
  expect(groups.map(({ name }) => name)).toEqual([
    'prepared statements',
    'dashboards of active users',
    'lessons',
    'classes',
    'class lists of active users',
    'assessments',
  ])
  for (const { items } of groups) expect(items.length).toBeGreaterThan(0)

  const dbMs = async (path: string, client = admin): Promise<number | undefined> => {
    const reply = await client.get(path)
    expect(reply.status).toBe(200)
    return parseServerTiming(reply.headers.get('server-timing') ?? '').get('db')
  }
  const [, dashboards, lessons, classes, , assessments] = groups
  const active = seededSchool().users.find(({ id }) => id === dashboards?.items[0]?.name)?.username ?? ''
  expect(await dbMs('/api/v1/dashboard/overview', await app.signIn(active))).toBe(0)
  expect(await dbMs(`/api/v1/lessons/${lessons?.items[0]?.name}`)).toBe(0)
  expect(await dbMs(`/api/v1/classes/${classes?.items[0]?.name}`)).toBe(0)
  expect(await dbMs(`/api/v1/assessments/${assessments?.items[0]?.name}`)).toBe(0)
})

test('what was warmed ends with its tag like everything else', async ({ app }) => {
  const admin = await app.signIn('admin')
  const { body } = await admin.send('POST', '/api/v1/admin/cache/warm')
  const id = (body['groups'] as Group[]).find(({ name }) => name === 'lessons')?.items[0]?.name
  await admin.send('DELETE', `/api/v1/admin/cache/tags/lesson:${id}`)
  const { headers } = await admin.get(`/api/v1/lessons/${id}`)
  expect(parseServerTiming(headers.get('server-timing') ?? '').get('db')).toBeGreaterThan(0)
})

for (const [who, username] of [
  ['a teacher', 'teacher1'],
  ['a student', 'student1'],
] as const) {
  test(`${who} may not warm the cache`, async ({ app }) => {
    const reply = await (await app.signIn(username)).send('POST', '/api/v1/admin/cache/warm')
    expect(reply.status).toBe(403)
  })
}

test('without Redis nothing is warmed, and the report says so instead of counting successes', async ({
  app,
  serverEnvironment,
}) => {
  await using server = await startServerProcess({
    environment: { ...serverEnvironment, REDIS_URL: 'redis://127.0.0.1:9' },
  })
  const admin = new ApiClient(server.url, (await app.session('admin')).token)
  const { body } = await admin.send('POST', '/api/v1/admin/cache/warm')
  expect(body).toMatchObject({ status: 'skipped', successfulWarmups: 0, totalWarmups: 0 })
  expect(body['reason']).toContain('cache is')
})

test('a server that is told to warms its cache after the start, and logs how many items that were', async ({
  serverEnvironment,
}) => {
  await using server = await startServerProcess({ environment: { ...serverEnvironment, WARM_ON_START: 'on' } })
  await expect.poll(() => server.output()).toContain('"cache warmed"')
  const line =
    server
      .output()
      .split('\n')
      .find((one) => one.includes('"cache warmed"')) ?? ''
  const report = JSON.parse(line) as Record<string, unknown>
  expect(report).toMatchObject({ status: 'completed' })
  expect(report['successfulWarmups']).toBeGreaterThan(seededSchool().classes.length)
})
