import { SchoolIndex } from '#fixtures/data/school-index.ts'
import { seededSchool } from '#fixtures/data/seed.ts'
import { ApiClient } from '#fixtures/playwright/api-client.ts'
import { startServerProcess } from '#fixtures/playwright/server-process.ts'
import { expect, test } from '#fixtures/test.ts'

const school = new SchoolIndex(seededSchool())
const API = '/api/v1'

// Servers are started, two at a time.
test.describe.configure({ timeout: 60_000 })

interface Metrics {
  readonly pusher: { readonly deliveryLatency: { readonly count: number } }
  readonly rateLimits: Readonly<Record<string, { readonly refused: number; readonly failedOpen: number }>>
}

const metricsOf = async ({ url }: { readonly url: string }): Promise<Metrics> =>
  (await new ApiClient(url).get('/metrics/performance')).body as unknown as Metrics

/** On a machine that is busy enough, Redis answers too late: what was let pass for that is counted. */
async function failedOpenOf(limit: string, ...servers: readonly { readonly url: string }[]): Promise<number> {
  const metrics = await Promise.all(servers.map(metricsOf))
  return metrics.reduce((sum, { rateLimits }) => sum + (rateLimits[limit]?.failedOpen ?? 0), 0)
}

const typing = { channel: `private-class-${school.classOf('student1').id}`, event: 'typing.started', data: {} }

async function statusesOf(requests: readonly Promise<{ readonly status: number }>[]): Promise<Record<number, number>> {
  const counts: Record<number, number> = {}
  for (const { status } of await Promise.all(requests)) counts[status] = (counts[status] ?? 0) + 1
  return counts
}

test('a user sends others so many events a second and no more, through whichever process, and nobody else is held up', async ({
  app,
  serverEnvironment,
}) => {
  // So few a second that the burst is what passes.
  const environment = { ...serverEnvironment, RATE_LIMIT_TRIGGERS_PER_USER: '1', RATE_LIMIT_BURST_SEC: '12' }
  await using one = await startServerProcess({ environment })
  await using other = await startServerProcess({ environment })
  const began = performance.now()
  const clients = await Promise.all(
    [one, other].map(async ({ url }) => new ApiClient(url, (await app.session('student1')).token)),
  )
  const sent = Array.from({ length: 30 }, () => clients.map((client) => client.post(`${API}/realtime/trigger`, typing)))
  const replies = await Promise.all(sent.flat())
  const refilled = Math.ceil((performance.now() - began) / 1_000)
  const accepted = replies.filter(({ status }) => status === 202)
  const refused = replies.filter(({ status }) => status === 429)
  expect(accepted.length + refused.length).toBe(60)
  expect(accepted.length).toBeGreaterThan(0)
  expect(accepted.length - (await failedOpenOf('trigger', one, other))).toBeLessThanOrEqual(12 + refilled)
  for (const { headers, body } of refused) {
    expect([headers.get('retry-after'), body['code']]).toEqual(['1', 'rate_limited'])
  }
  const limits = await Promise.all([one, other].map(async (server) => (await metricsOf(server)).rateLimits['trigger']))
  expect(limits.reduce((sum, limit) => sum + (limit?.refused ?? 0), 0)).toBe(refused.length)

  const teacher = new ApiClient(one.url, (await app.session(school.teacherOf(school.classOf('student1').id))).token)
  expect((await teacher.post(`${API}/realtime/trigger`, typing)).status).toBe(202)
  expect((await clients[0]?.get(`${API}/lessons`))?.status).toBe(200)
})

test('of the latencies that one user reports no more are recorded than the limit allows', async ({
  app,
  serverEnvironment,
}) => {
  const environment = { ...serverEnvironment, RATE_LIMIT_DELIVERIES_PER_USER: '1', RATE_LIMIT_BURST_SEC: '120' }
  await using server = await startServerProcess({ environment })
  const student = new ApiClient(server.url, (await app.session('student1')).token)
  const latenciesMs = Array.from({ length: 100 }, () => 5)
  const began = performance.now()
  const reports = Array.from({ length: 5 }, () => student.post(`${API}/realtime/deliveries`, { latenciesMs }))
  const replies = await Promise.all(reports)
  const refilled = Math.ceil((performance.now() - began) / 1_000)
  const taken = replies.filter(({ status }) => status === 202).map(({ body }) => body['recorded'] as number)
  const recorded = taken.reduce((sum, count) => sum + count, 0)
  expect(taken.length).toBeGreaterThan(0)
  expect(recorded - (await failedOpenOf('delivery', server))).toBeLessThanOrEqual(120 + refilled)
  for (const { status, body } of replies)
    if (status !== 202) expect([status, body['code']]).toEqual([429, 'rate_limited'])
  expect((await metricsOf(server)).pusher.deliveryLatency.count).toBe(recorded)
})

test('a user has so many channels signed and no more, one by one or a hundred in a request', async ({
  app,
  serverEnvironment,
}) => {
  await using server = await startServerProcess({
    environment: { ...serverEnvironment, RATE_LIMIT_CHANNELS_PER_USER: '1' },
  })
  const student = new ApiClient(server.url, (await app.session('student2')).token)
  const ask = (body: object) => student.post(`${API}/realtime/auth`, { socket_id: '1234.5678', ...body })
  const hundred = { channel_names: Array.from({ length: 100 }, (_, n) => `private-class-${n}`) }
  const began = performance.now()
  const first = await ask(hundred)
  const more = await Promise.all([
    ask(hundred),
    ...Array.from({ length: 20 }, () => ask({ channel_name: typing.channel })),
  ])
  const refilled = Math.ceil((performance.now() - began) / 1_000)
  expect(first.status).toBe(200)
  const passed = more.filter(({ status }) => status !== 429)
  // All of them want 120 more: without a limit the hundred alone is too much.
  const signed = passed.reduce((sum, reply) => sum + (reply === more[0] ? 100 : 1), 0)
  expect(signed - (await failedOpenOf('channel', server))).toBeLessThanOrEqual(refilled)
  for (const reply of more) if (!passed.includes(reply)) expect(reply.body['code']).toBe('rate_limited')
})

test('where the limits are 0 there are none', async ({ app, serverEnvironment }) => {
  const off = ['TRIGGERS', 'DELIVERIES', 'CHANNELS'].map((what) => [`RATE_LIMIT_${what}_PER_USER`, '0'])
  await using server = await startServerProcess({ environment: { ...serverEnvironment, ...Object.fromEntries(off) } })
  const student = new ApiClient(server.url, (await app.session('student1')).token)
  const requests = Array.from({ length: 100 }, () => student.post(`${API}/realtime/trigger`, typing))
  expect(await statusesOf(requests)).toEqual({ 202: 100 })
  const limits = Object.keys((await metricsOf(server)).rateLimits)
  for (const name of ['trigger', 'delivery', 'channel']) expect(limits).not.toContain(name)
})
