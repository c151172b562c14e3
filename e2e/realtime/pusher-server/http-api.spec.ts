import http from 'node:http'
import https from 'node:https'
import Pusher from 'pusher'
import { expect, test } from '#fixtures/test.ts'
import { isSoketi } from '#fixtures/services/pusher/is-soketi.ts'
import { createPublisher, Subscriber, type PusherTarget } from '#fixtures/services/pusher/official-clients.ts'
import { RawClient } from '#fixtures/services/pusher/raw-client.ts'
import { startPusherProcess } from '#fixtures/services/pusher/start-pusher-process.ts'

const nameFor = (prefix: string): string => `${prefix}${test.info().testId}`

const originOf = ({ useTls, host, port }: PusherTarget): string => `${useTls ? 'https' : 'http'}://${host}:${port}`

/** A signed request with any body and path, which the official library would not send. */
async function request(
  target: PusherTarget,
  { method = 'POST', path, body }: { method?: string; path: string; body?: string },
): Promise<{ status: number; text: string; headers: Headers }> {
  const fullPath = `/apps/${target.appId}${path}`
  const signed = createPublisher(target).createSignedQueryString({ method, path: fullPath, body: body ?? '' })
  const response = await fetch(`${originOf(target)}${fullPath}?${signed}`, {
    method,
    body: body ?? null,
    headers: { 'content-type': 'application/json' },
  })
  return { status: response.status, text: await response.text(), headers: response.headers }
}

const json = async (reply: Promise<{ json(): Promise<unknown> }>): Promise<unknown> => (await reply).json()

test('the channels that are occupied are listed, by prefix if one wants', async ({ pusher }) => {
  const [first, second, other] = [nameFor('one-'), nameFor('one-more-'), nameFor('two-')]
  await using subscriber = await Subscriber.connect(pusher)
  for (const name of [first, second, other]) await subscriber.subscribe(name)
  const publisher = createPublisher(pusher)
  const all = (await json(publisher.get({ path: '/channels' }))) as { channels: Record<string, unknown> }
  expect(Object.keys(all.channels)).toEqual(expect.arrayContaining([first, second, other]))
  const some = (await json(publisher.get({ path: '/channels', params: { filter_by_prefix: 'one-' } }))) as typeof all
  expect(Object.keys(some.channels).toSorted((a, b) => a.localeCompare(b))).toEqual(
    [first, second].toSorted((a, b) => a.localeCompare(b)),
  )
})

test('a channel says whether it is occupied', async ({ pusher }) => {
  const channel = nameFor('')
  const publisher = createPublisher(pusher)
  expect(await json(publisher.get({ path: `/channels/${channel}` }))).toMatchObject({ occupied: false })
  await using subscriber = await Subscriber.connect(pusher)
  await subscriber.subscribe(channel)
  expect(await json(publisher.get({ path: `/channels/${channel}` }))).toMatchObject({ occupied: true })
})

test('an accepted event answers an empty object of known length, to pages of any origin (soketi: {"ok":true})', async ({
  pusher,
}) => {
  const body = JSON.stringify({ name: 'e', channel: 'c', data: 'd' })
  const { status, text, headers } = await request(pusher, { path: '/events', body })
  expect([status, text]).toEqual([200, isSoketi(pusher) ? '{"ok":true}' : '{}'])
  expect(headers.get('content-type')).toBe('application/json')
  expect(headers.get('content-length')).toBe(String(text.length))
  expect(headers.get('access-control-allow-origin')).toBe('*')
})

test('many requests go over one kept-alive connection (soketi closes each)', async ({ pusher }) => {
  let connections = 0
  const { Agent } = pusher.useTls ? https : http
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const createConnection = agent.createConnection.bind(agent)
  agent.createConnection = (...options) => {
    connections += 1
    return createConnection(...options)
  }
  const { appId, key, secret, host, port, useTls } = pusher
  const publisher = new Pusher({ appId, key, secret, host, port: String(port), useTLS: useTls, agent })
  for (let number = 0; number < 20; number += 1) {
    const answer = await publisher.trigger(nameFor(''), 'e', { number })
    await answer.text()
  }
  expect(connections).toBe(isSoketi(pusher) ? 20 : 1)
  agent.destroy()
})

test('a preflight is allowed without a signature (soketi knows none)', async ({ pusher }) => {
  const url = `${originOf(pusher)}/apps/${pusher.appId}/events`
  const response = await fetch(url, { method: 'OPTIONS' })
  expect(response.status).toBe(isSoketi(pusher) ? 404 : 200)
  if (!isSoketi(pusher)) expect(response.headers.get('access-control-allow-methods')).toContain('POST')
})

/** Of soketi the code that it puts into the body of an answer with 200, or `taken` where its limits are wider. */
const refusals = [
  [
    'a batch of eleven',
    '/batch_events',
    { batch: Array.from({ length: 11 }, () => ({ name: 'e', channel: 'c', data: 'd' })) },
    { status: 400, soketi: 400 },
  ],
  [
    'an event on 101 channels',
    '/events',
    { name: 'e', data: 'd', channels: Array(101).fill('c') },
    { status: 400, soketi: 400 },
  ],
  [
    'data of 10 KiB and a byte',
    '/events',
    { name: 'e', channel: 'c', data: 'd'.repeat(10_241) },
    { status: 413, soketi: 'taken' },
  ],
  [
    'such data in a batch',
    '/batch_events',
    { batch: [{ name: 'e', channel: 'c', data: 'd'.repeat(10_241) }] },
    { status: 413, soketi: 'taken' },
  ],
  [
    'a channel name of 165 characters',
    '/events',
    { name: 'e', channel: 'c'.repeat(165), data: 'd' },
    { status: 400, soketi: 'taken' },
  ],
  ['a body that is no JSON', '/events', '{', { status: 400, soketi: 401 }],
  ['a body beyond all measure', '/events', 'x'.repeat(1_100_000), { status: 413, soketi: 400 }],
] as const

for (const [what, path, body, expected] of refusals) {
  test(`${what} is refused with ${expected.status} and a reason (soketi: 200, ${expected.soketi})`, async ({
    pusher,
  }) => {
    const sent = typeof body === 'string' ? body : JSON.stringify(body)
    const { status, text } = await request(pusher, { path, body: sent })
    if (!isSoketi(pusher)) {
      expect(status).toBe(expected.status)
      expect(text.length).toBeGreaterThan(10)
    } else if (expected.soketi === 'taken') {
      expect([status, text]).toEqual([200, '{"ok":true}'])
    } else {
      expect(status).toBe(200)
      expect(JSON.parse(text)).toEqual({ error: expect.any(String), code: expected.soketi })
    }
  })
}

test('a resource that does not exist is refused with 404', async ({ pusher }) => {
  expect(await request(pusher, { path: '/event', body: '{}' })).toMatchObject({ status: 404 })
})

test('a batch with one bad event delivers none of its events (soketi delivers the good ones)', async ({ pusher }) => {
  const channel = nameFor('')
  await using subscriber = await Subscriber.connect(pusher)
  await subscriber.subscribe(channel)
  const batch = [
    { channel, name: 'good', data: 1 },
    { channel: 'a bad name', name: 'bad', data: 2 },
  ]
  const sent = createPublisher(pusher).triggerBatch(batch)
  if (isSoketi(pusher)) await sent
  else await expect(sent).rejects.toMatchObject({ status: 400 })
  await createPublisher(pusher).trigger(channel, 'marker', 3)
  await expect.poll(() => subscriber.dataOf(channel, 'marker')).toEqual([3])
  expect(subscriber.dataOf(channel, 'good')).toEqual(isSoketi(pusher) ? [1] : [])
})

/** soketi looks at the signature only, and not whose key stands beside it. */
for (const [what, changes, expected, soketi] of [
  ['a wrong secret', { secret: 'wrong' }, 401, 401],
  ['the key of another app', { key: 'other' }, 401, undefined],
  ['an unknown app id', { appId: 'unknown' }, 404, 404],
] as const) {
  test(`${what} is refused with ${expected} and a reason that reveals no secret (soketi: 200, ${soketi ?? 'taken'})`, async ({
    pusher,
  }) => {
    const body = JSON.stringify({ name: 'e', channel: 'c', data: 'd' })
    const { status, text } = await request({ ...pusher, ...changes }, { path: '/events', body })
    expect(status).toBe(isSoketi(pusher) ? 200 : expected)
    expect(text).not.toContain(pusher.secret)
    if (isSoketi(pusher)) expect((JSON.parse(text) as { code?: number }).code).toBe(soketi)
  })
}

for (const [path, params] of [
  ['/channels', { info: 'user_count' }],
  ['/channels', { info: 'subscription_count' }],
  ['/channels/a', { info: 'user_count' }],
  ['/channels/presence-a', { info: 'subscription_count' }],
  ['/channels/presence-a', { info: 'cache' }],
  ['/channels/presence-a', { info: 'members' }],
  ['/channels/a/users', {}],
] as const) {
  test(`${path} has no ${'info' in params ? params.info : 'users'} to give: 400 (soketi: 200)`, async ({ pusher }) => {
    const answer = createPublisher(pusher).get({ path, params })
    if (isSoketi(pusher)) expect((await answer).status).toBe(200)
    else await expect(answer).rejects.toMatchObject({ status: 400 })
  })
}

test('the list of channels counts the users of each (soketi counts its connections)', async ({ pusher }) => {
  const channel = nameFor('presence-')
  await using first = await Subscriber.connect(pusher, { member: { user_id: 'ada' } })
  await using second = await Subscriber.connect(pusher, { member: { user_id: 'ada' } })
  for (const subscriber of [first, second]) await subscriber.subscribe(channel)
  const params = { filter_by_prefix: channel, info: 'user_count' }
  const counted = isSoketi(pusher) ? { subscription_count: 2, occupied: true } : { user_count: 1 }
  expect(await json(createPublisher(pusher).get({ path: '/channels', params }))).toEqual({
    channels: { [channel]: counted },
  })
})

test('a cache channel shows its event and how many seconds it stays (soketi shows neither)', async ({ pusher }) => {
  const channel = nameFor('cache-')
  const publisher = createPublisher(pusher)
  const show = async () =>
    (await json(publisher.get({ path: `/channels/${channel}`, params: { info: 'cache' } }))) as {
      cache?: { data: string; ttl: number } | null
    }
  expect((await show()).cache).toBe(isSoketi(pusher) ? undefined : null)
  await publisher.trigger(channel, 'state', { version: 1 })
  const { cache } = await show()
  if (isSoketi(pusher)) return expect(cache).toBeUndefined()
  expect(cache?.data).toBe('{"version":1}')
  expect(cache?.ttl).toBeGreaterThan(1_790)
  expect(cache?.ttl).toBeLessThanOrEqual(1_800)
})

test('a user id with any characters can be terminated (soketi does not decode it)', async ({ pusher }) => {
  const id = `ä/b c?${test.info().testId}`
  await using subscriber = await Subscriber.connect(pusher, { user: { id } })
  await subscriber.signIn()
  const path = `/users/${encodeURIComponent(id)}/terminate_connections`
  expect(await request(pusher, { path, body: '{}' })).toMatchObject({ status: 200 })
  if (!isSoketi(pusher)) return subscriber.whenState('disconnected')
  await subscriber.subscribe(nameFor(''))
  expect(subscriber.client.connection.state).toBe('connected')
})

test.describe('Hotpath’s own server: HTTP API', () => {
  test('info on a trigger answers for each channel what it has', async () => {
    await using server = await startPusherProcess({ apps: [{ subscriptionCount: true }] })
    const target = { ...server, ...server.app }
    await using subscriber = await Subscriber.connect(target, { member: { user_id: 'ada' } })
    for (const name of ['a', 'presence-a']) await subscriber.subscribe(name)
    const info = { info: 'user_count,subscription_count' }
    const publisher = createPublisher(target)
    expect(await json(publisher.trigger(['a', 'presence-a', 'b'], 'e', 1, info))).toEqual({
      channels: { a: { subscription_count: 1 }, 'presence-a': { user_count: 1 }, b: { subscription_count: 0 } },
    })
    const batch = [
      { channel: 'a', name: 'e', data: 1, ...info },
      { channel: 'a', name: 'e', data: 1 },
      { channel: 'presence-a', name: 'e', data: 1, ...info },
    ]
    expect(await json(publisher.triggerBatch(batch))).toEqual({
      batch: [{ subscription_count: 1 }, {}, { user_count: 1 }],
    })
  })
})

test.describe('Hotpath’s own server: the HTTP API', () => {
  test('does not know an app of another id: 404, before any signature', async () => {
    await using server = await startPusherProcess()
    const target = { ...server, ...server.app, appId: 'unknown' }
    for (const secret of [server.app.secret, 'wrong']) {
      const reply = await request({ ...target, secret }, { path: '/events', body: '{}' })
      expect([reply.status, reply.text]).toEqual([404, 'No app with id "unknown"\n'])
    }
  })

  test('takes a target in absolute form, and HEAD for GET', async () => {
    await using server = await startPusherProcess()
    const { appId } = server.app
    const ask = (method: string, prefix: string, path = `/apps/${appId}/channels`): Promise<[number, string]> => {
      const signed = createPublisher({ ...server, ...server.app }).createSignedQueryString({ method, path })
      const { promise, resolve, reject } = Promise.withResolvers<[number, string]>()
      const { hostname, port } = new URL(server.url)
      const asked = http.request({ hostname, port, method, path: `${prefix}${path}?${signed}` }, (response) => {
        let text = ''
        response.on('data', (chunk: Buffer) => (text += chunk.toString()))
        response.on('end', () =>
          resolve([response.statusCode ?? 0, text || (response.headers['content-length'] ?? '')]),
        )
      })
      asked.on('error', reject).end()
      return promise
    }
    expect(await ask('GET', 'http://anything:80')).toEqual([200, '{"channels":{}}'])
    expect(await ask('HEAD', '')).toEqual([200, String('{"channels":{}}'.length)])
    expect(await ask('HEAD', '', `/apps/${appId}/nothing`)).toEqual([404, expect.any(String)])
    await using client = new RawClient(server, '/app/unknown')
    expect((await client.closed).code).toBe(4001)
  })

  for (const name of [
    'pusher:ping',
    'pusher:error',
    'pusher_internal:member_added',
    'pusher_internal:subscription_succeeded',
  ]) {
    test(`refuses to publish ${name}, which only the protocol itself says`, async () => {
      await using server = await startPusherProcess({ apps: [{ mode: 'relaxed' }] })
      const target = { ...server, ...server.app }
      await using subscriber = await Subscriber.connect(target)
      await subscriber.subscribe('a')
      const before = subscriber.dataOf('a', name)
      const event = { name, channel: 'a', data: '{}' }
      for (const [path, body] of [
        ['/events', event],
        ['/batch_events', { batch: [event] }],
      ] as const) {
        const { status, text } = await request(target, { path, body: JSON.stringify(body) })
        expect([status, text]).toEqual([400, expect.stringContaining('reserved')])
      }
      await createPublisher(target).trigger('a', 'pusher-news', 1)
      await expect.poll(() => subscriber.dataOf('a', 'pusher-news')).toEqual([1])
      expect(subscriber.dataOf('a', name)).toEqual(before)
    })
  }
})
