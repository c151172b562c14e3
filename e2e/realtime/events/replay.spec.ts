import { createRequire } from 'node:module'
import type PusherJs from 'pusher-js'
import { SchoolIndex } from '#fixtures/data/school-index.ts'
import { seededSchool } from '#fixtures/data/seed.ts'
import type { ApiClient } from '#fixtures/playwright/api-client.ts'
import type { App } from '#fixtures/playwright/app-fixtures.ts'
import { startServerProcess } from '#fixtures/playwright/server-process.ts'
import { startFaultProxy } from '#fixtures/services/proxy/fault-proxy.ts'
import { expect, test } from '#fixtures/test.ts'
import { createBatchAuthorizer } from '#optimizations/pusher/client/batch-authorizer.js'
import { createDeliveryGuard, readStamp } from '#optimizations/pusher/client/delivery-guard.js'
import { createEventReplay } from '#optimizations/pusher/client/event-replay.js'

const Pusher = createRequire(import.meta.url)('pusher-js') as typeof PusherJs.default

const PATH = '/api/v1/realtime/replay'
const school = new SchoolIndex(seededSchool())

interface Event {
  readonly id: string
  readonly position: string
  readonly event: string
  readonly data: { readonly percent: number }
  readonly at: number
}

interface Entry {
  readonly status: number
  readonly position: string
  readonly isComplete: boolean
  readonly hasMore: boolean
  readonly events: readonly Event[]
}

/** A class of a student's, and how they tell it of their progress. */
async function reporterOf(app: App, username: string) {
  const { id: classId } = school.classOf(username)
  const client = await app.signIn(username)
  const { id: lessonId } = school.lesson(classId)
  let timeSpentSec = 0
  const report = async (percent: number): Promise<void> => {
    timeSpentSec += 1
    const { status } = await client.put(`/api/v1/lessons/${lessonId}/progress`, { percent, timeSpentSec })
    expect(status).toBe(200)
  }
  return { client, channel: `private-class-${classId}`, report }
}

async function replay(client: ApiClient, channel: string, after: string | null): Promise<Entry> {
  const { status, body } = await client.post(PATH, { positions: { [channel]: after } })
  expect(status).toBe(200)
  return body[channel] as Entry
}

test('a replay brings what was told after a position, as it was told, in pages', async ({ app, realtime }) => {
  const { client, channel, report } = await reporterOf(app, 'student4')
  const { position } = await replay(client, channel, null)
  const subscriber = await realtime.connectAs('student4')
  await subscriber.subscribe(channel)
  for (let n = 0; n < 12; n += 1) await report(n)
  await expect.poll(() => subscriber.received.length).toBe(12)
  const told = subscriber.received.map(({ event, data }) => {
    const { stamp, data: plain } = readStamp(data)
    return { id: stamp?.id, event, data: plain }
  })
  const all = await replay(client, channel, position)
  expect(all).toMatchObject({ isComplete: true, hasMore: false })
  expect(all.events.map(({ id, event, data }) => ({ id, event, data }))).toEqual(told)
  expect(await replay(client, channel, all.position)).toMatchObject({ events: [], position: all.position })

  // A hundred channels share a reply: the first page of each is short.
  const others = school.school.classes.slice(0, 99).map(({ id }) => [`private-class-${id}`, null] as const)
  const admin = await app.signIn('admin')
  const many = await admin.post(PATH, { positions: { ...Object.fromEntries(others), [channel]: position } })
  const page = many.body[channel] as Entry
  expect(page.events.length).toBeLessThanOrEqual(12)
  expect(page.events).toEqual(all.events.slice(0, page.events.length))
  expect(page.hasMore).toBe(page.events.length < 12)
})

test('a channel is replayed to those who may subscribe to it and to nobody else, at once after a change', async ({
  app,
}) => {
  const { id: classId } = school.classOf('student1')
  const channels = [
    `private-class-${classId}`,
    `presence-class-${classId}`,
    `private-user-${school.userId('student1')}`,
    'private-content-updates',
    'private-nothing',
    'public',
    'private-class-',
    `private-class-${classId.toUpperCase()}`,
  ]
  const positions = Object.fromEntries(channels.map((name) => [name, '0']))
  const actors = ['admin', 'teacher1', 'teacher2', 'student1', school.outsiderOf(classId).username, 'parent1']
  const seen = new Set<number>()
  for (const username of actors) {
    const client = await app.signIn(username)
    const signed = await client.post('/api/v1/realtime/auth', { socket_id: '1.1', channel_names: channels })
    const replayed = await client.post(PATH, { positions })
    for (const channel of channels) {
      const [may, shown] = [signed.body[channel], replayed.body[channel]] as { readonly status: number }[]
      expect(shown?.status, `${username} ${channel}`).toBe(may?.status)
      if (shown?.status !== 200) expect(shown).not.toHaveProperty('events')
      seen.add(shown?.status ?? 0)
    }
  }
  expect([...seen].toSorted((one, other) => one - other)).toEqual([200, 400, 403])

  const [teacher, student] = [await app.signIn('teacher1'), await app.signIn('student24')]
  const fields = { name: 'Replays', subject: 'Games', gradeLevel: 2 }
  const { id } = (await teacher.post('/api/v1/classes', fields)).body as { readonly id: string }
  const studentId = school.userId('student24')
  const statusOf = async () => (await replay(student, `private-class-${id}`, '0')).status
  expect(await statusOf()).toBe(403)
  await teacher.post(`/api/v1/classes/${id}/enrollments`, { studentId })
  expect(await statusOf()).toBe(200)
  await teacher.delete(`/api/v1/classes/${id}/enrollments/${studentId}`)
  expect(await statusOf()).toBe(403)
})

for (const [what, body] of [
  ['no channel', { positions: {} }],
  ['no positions', {}],
  ['a list', { positions: ['private-a'] }],
  ['a number', { positions: { 'private-a': 1 } }],
  ['a negative position', { positions: { 'private-a': '-1' } }],
  ['a position beyond all', { positions: { 'private-a': '1'.repeat(16) } }],
  ['a fraction', { positions: { 'private-a': '1.5' } }],
  ['a word', { positions: { 'private-a': 'last' } }],
  ['SQL', { positions: { 'private-a': "1'; drop table hotpath_outbox; --" } }],
  ['one member more', { positions: { 'private-a': '1' }, limit: 5 }],
  [
    'a hundred and one channels',
    { positions: Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`p${n}`, null])) },
  ],
] as const) {
  test(`a replay of ${what} is refused with 400 and the place of the fault`, async ({ app }) => {
    const client = await app.signIn('student1')
    const { status, body: problem } = await client.post(PATH, body)
    expect(status).toBe(400)
    expect(JSON.stringify(problem)).toMatch(/positions|limit/)
  })
}

test('an event of another version, and what is kept of no event at all, are told as missing', async ({
  app,
  sql,
  serverEnvironment,
}) => {
  const { client, channel, report } = await reporterOf(app, 'student6')
  const { position } = await replay(client, channel, null)
  await report(1)
  await sql(
    `insert into hotpath_outbox (channel, event, data, delivered_at)
     values ($1, 'progress.updated', '{"secret":"of another version"}', now()), ($1, 'nothing.known', '{}', now())`,
    [channel],
  )
  await report(2)
  const answer = await replay(client, channel, position)
  expect(answer).toMatchObject({ isComplete: false, hasMore: false })
  expect(answer.events.map(({ data }) => data.percent)).toEqual([1, 2])
  expect(JSON.stringify(answer)).not.toContain('secret')

  // The baseline waits for Pusher within the request, and keeps nothing.
  await using plain = await startServerProcess({ environment: { ...serverEnvironment, OPTIMIZE_PUSHER: 'off' } })
  const { token } = await app.session('student6')
  const ask = async (after: string | null): Promise<unknown> => {
    const reply = await fetch(`${plain.url}${PATH}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ positions: { [channel]: after } }),
    })
    return ((await reply.json()) as Record<string, unknown>)[channel]
  }
  expect(await ask(null)).toMatchObject({ isComplete: true, position: '0' })
  expect(await ask('0')).toMatchObject({ isComplete: false, events: [] })
})

test('pusher-js on Node whose connection is cut again and again hears every event once and in order', async ({
  app,
  pusher,
  intensity,
}) => {
  test.setTimeout(60_000 + 120_000 * intensity)
  const { channel, report } = await reporterOf(app, 'student8')
  const { token } = await app.session('student8')
  await using proxy = await startFaultProxy(`http://${pusher.host}:${pusher.port}`)
  const heard: number[] = []
  const gaps: unknown[] = []
  const headers = { authorization: `Bearer ${token}` }
  const onGap = (gap: unknown) => gaps.push(gap)
  const replaying = createEventReplay({ endpoint: `${app.url}${PATH}`, headers, onGap })
  const guard = createDeliveryGuard({ onGap, replay: replaying })
  const client = new Pusher(pusher.key, {
    cluster: '',
    wsHost: '127.0.0.1',
    wsPort: proxy.port,
    forceTLS: false,
    enabledTransports: ['ws'],
    enableStats: false,
    channelAuthorization: {
      transport: 'ajax',
      endpoint: '',
      customHandler: createBatchAuthorizer({ endpoint: `${app.url}/api/v1/realtime/auth`, headers }),
    },
  })
  try {
    let subscriptions = 0
    const subscribed = client.subscribe(channel)
    subscribed.bind('pusher:subscription_succeeded', () => (subscriptions += 1))
    guard.watch(subscribed).bind('progress.updated', (data) => heard.push((data as { percent: number }).percent))
    await expect.poll(() => subscriptions).toBe(1)

    const cuts = Math.max(3, Math.round(20 * intensity))
    const sent: number[] = []
    const progress = { isDone: false }
    const telling = (async () => {
      while (!progress.isDone) {
        sent.push(Number((sent.length / 100).toFixed(2)))
        await report(sent.at(-1) ?? 0)
      }
    })()
    for (let cut = 1; cut <= cuts; cut += 1) {
      const before = sent.length
      proxy.reset()
      await expect.poll(() => subscriptions, { timeout: 20_000 }).toBe(cut + 1)
      await expect.poll(() => sent.length).toBeGreaterThan(before + 5)
    }
    progress.isDone = true
    await telling
    await expect.poll(() => heard.length).toBe(sent.length)
    expect(heard).toEqual(sent)
    expect(gaps).toEqual([])
    test.info().annotations.push({ type: 'replay', description: `${cuts} cuts, ${sent.length} events, 0 lost` })
  } finally {
    client.disconnect()
  }
})
