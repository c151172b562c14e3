import { Agent } from 'node:http'
import Pusher from 'pusher'
import { expect, test } from '#fixtures/test.ts'
import { createPublisher, Subscriber, type PusherTarget } from '#fixtures/services/pusher/official-clients.ts'
import { startPusherProcess } from '#fixtures/services/pusher/start-pusher-process.ts'

const nameFor = (prefix: string): string => `${prefix}${test.info().testId}`

/** A signed request with any body and path, which the official library would not send. */
async function request(
  target: PusherTarget,
  { method = 'POST', path, body }: { method?: string; path: string; body?: string },
): Promise<{ status: number; text: string; headers: Headers }> {
  const fullPath = `/apps/${target.appId}${path}`
  const signed = createPublisher(target).createSignedQueryString({ method, path: fullPath, body: body ?? '' })
  const scheme = target.useTls ? 'https' : 'http'
  const response = await fetch(`${scheme}://${target.host}:${target.port}${fullPath}?${signed}`, {
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

test.describe('embedded server: HTTP API', { tag: '@embedded' }, () => {
  test('an accepted event answers an empty object, with the headers of a browser’s and a library’s peace of mind', async ({
    pusher,
  }) => {
    const body = JSON.stringify({ name: 'e', channel: 'c', data: 'd' })
    const { status, text, headers } = await request(pusher, { path: '/events', body })
    expect([status, text]).toEqual([200, '{}'])
    expect(headers.get('content-type')).toBe('application/json')
    expect(headers.get('content-length')).toBe('2')
    expect(headers.get('access-control-allow-origin')).toBe('*')
  })

  test('many requests go over one kept-alive connection (soketi closes each)', async ({ pusher }) => {
    let connections = 0
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const createConnection = agent.createConnection.bind(agent)
    agent.createConnection = (...options) => {
      connections += 1
      return createConnection(...options)
    }
    const { appId, key, secret, host, port } = pusher
    const publisher = new Pusher({ appId, key, secret, host, port: String(port), agent })
    for (let number = 0; number < 20; number += 1) {
      const answer = await publisher.trigger(nameFor(''), 'e', { number })
      await answer.text()
    }
    expect(connections).toBe(1)
    agent.destroy()
  })

  test('a preflight is allowed without a signature', async ({ pusher }) => {
    const url = `http://${pusher.host}:${pusher.port}/apps/${pusher.appId}/events`
    const response = await fetch(url, { method: 'OPTIONS' })
    expect(response.status).toBe(200)
    expect(response.headers.get('access-control-allow-methods')).toContain('POST')
  })

  const refusals = [
    [
      'a batch of eleven',
      '/batch_events',
      { batch: Array.from({ length: 11 }, () => ({ name: 'e', channel: 'c', data: 'd' })) },
      400,
    ],
    ['an event on 101 channels', '/events', { name: 'e', data: 'd', channels: Array(101).fill('c') }, 400],
    ['data of 10 KiB and a byte', '/events', { name: 'e', channel: 'c', data: 'd'.repeat(10_241) }, 413],
    ['such data in a batch', '/batch_events', { batch: [{ name: 'e', channel: 'c', data: 'd'.repeat(10_241) }] }, 413],
    ['a channel name of 165 characters', '/events', { name: 'e', channel: 'c'.repeat(165), data: 'd' }, 400],
    ['a body that is no JSON', '/events', '{', 400],
    ['a body beyond all measure', '/events', 'x'.repeat(1_100_000), 413],
    ['a resource that does not exist', '/event', {}, 404],
  ] as const

  for (const [what, path, body, expected] of refusals) {
    test(`${what} is refused with ${expected} and a reason`, async ({ pusher }) => {
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      const { status, text: reason } = await request(pusher, { path, body: text })
      expect(status).toBe(expected)
      expect(reason.length).toBeGreaterThan(10)
    })
  }

  test('a batch with one bad event delivers none of its events', async ({ pusher }) => {
    const channel = nameFor('')
    await using subscriber = await Subscriber.connect(pusher)
    await subscriber.subscribe(channel)
    const batch = [
      { channel, name: 'good', data: 1 },
      { channel: 'a bad name', name: 'bad', data: 2 },
    ]
    await expect(createPublisher(pusher).triggerBatch(batch)).rejects.toMatchObject({ status: 400 })
    await createPublisher(pusher).trigger(channel, 'marker', 3)
    await expect.poll(() => subscriber.dataOf(channel, 'marker')).toEqual([3])
    expect(subscriber.dataOf(channel, 'good')).toEqual([])
  })

  for (const [what, changes] of [
    ['a wrong secret', { secret: 'wrong' }],
    ['the key of another app', { key: 'other' }],
    ['an unknown app id', { appId: 'unknown' }],
  ] as const) {
    test(`${what} is refused with 401 and a reason that reveals no secret`, async ({ pusher }) => {
      const publisher = createPublisher({ ...pusher, ...changes })
      const refusal: { status?: number; body?: string } = await publisher.trigger('c', 'e', 1).then(
        () => ({}),
        (error: { status?: number; body?: string }) => error,
      )
      expect(refusal.status).toBe(401)
      expect(refusal.body).not.toContain(pusher.secret)
    })
  }

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

  for (const [path, params] of [
    ['/channels', { info: 'user_count' }],
    ['/channels', { info: 'subscription_count' }],
    ['/channels/a', { info: 'user_count' }],
    ['/channels/presence-a', { info: 'subscription_count' }],
    ['/channels/presence-a', { info: 'cache' }],
    ['/channels/presence-a', { info: 'members' }],
    ['/channels/a/users', {}],
  ] as const) {
    test(`${path} has no ${'info' in params ? params.info : 'users'} to give: 400`, async ({ pusher }) => {
      await expect(createPublisher(pusher).get({ path, params })).rejects.toMatchObject({ status: 400 })
    })
  }

  test('the list of channels counts the users of each (soketi counts its connections)', async ({ pusher }) => {
    const channel = nameFor('presence-')
    await using first = await Subscriber.connect(pusher, { member: { user_id: 'ada' } })
    await using second = await Subscriber.connect(pusher, { member: { user_id: 'ada' } })
    for (const subscriber of [first, second]) await subscriber.subscribe(channel)
    const params = { filter_by_prefix: channel, info: 'user_count' }
    expect(await json(createPublisher(pusher).get({ path: '/channels', params }))).toEqual({
      channels: { [channel]: { user_count: 1 } },
    })
  })

  test('a cache channel shows its event and how many seconds it stays', async ({ pusher }) => {
    const channel = nameFor('cache-')
    const publisher = createPublisher(pusher)
    const show = () => json(publisher.get({ path: `/channels/${channel}`, params: { info: 'cache' } }))
    expect(await show()).toEqual({ occupied: false, cache: null })
    await publisher.trigger(channel, 'state', { version: 1 })
    const { cache } = (await show()) as { cache: { data: string; ttl: number } }
    expect(cache.data).toBe('{"version":1}')
    expect(cache.ttl).toBeGreaterThan(1_790)
    expect(cache.ttl).toBeLessThanOrEqual(1_800)
  })

  test('a user id with any characters can be terminated', async ({ pusher }) => {
    const id = `ä/b c?${test.info().testId}`
    await using subscriber = await Subscriber.connect(pusher, { user: { id } })
    await subscriber.signIn()
    const path = `/users/${encodeURIComponent(id)}/terminate_connections`
    expect(await request(pusher, { path, body: '{}' })).toMatchObject({ status: 200, text: '{}' })
    await subscriber.whenState('disconnected')
  })
})
