import { expect, test } from '#fixtures/test.ts'
import { isSoketi } from '#fixtures/services/pusher/is-soketi.ts'
import { createPublisher, Subscriber } from '#fixtures/services/pusher/official-clients.ts'
import { RawClient } from '#fixtures/services/pusher/raw-client.ts'
import { startPusherProcess } from '#fixtures/services/pusher/start-pusher-process.ts'

test('every connection has a socket id of its own', async ({ pusher }) => {
  await using first = await Subscriber.connect(pusher)
  await using second = await Subscriber.connect(pusher)
  expect(first.socketId).toMatch(/^\d+\.\d+$/)
  expect(second.socketId).not.toBe(first.socketId)
})

test('a ping event is answered with a pong event, and a ping frame with a pong frame', async ({ pusher }) => {
  await using client = await RawClient.connect(pusher)
  await client.settled()
  const pong = new Promise((resolve) => client.webSocket.once('pong', (data) => resolve(data.toString())))
  client.webSocket.ping('payload')
  expect(await pong).toBe('payload')
})

test('an unknown app key is refused, and the official client does not try again', async ({ pusher }) => {
  await using subscriber = new Subscriber({ ...pusher, key: 'unknown' })
  await expect.poll(() => subscriber.errors.map(({ code }) => code)).toEqual([4001])
  expect(['disconnected', 'failed']).toContain(subscriber.client.connection.state)
})

for (const [what, code, query] of [
  ['a version that is none', 4006, 'protocol=7&version=latest'],
  ['an old protocol', 4007, 'protocol=6'],
  ['no protocol', 4008, 'client=js'],
] as const) {
  test(`a handshake with ${what} is closed with ${code} (soketi looks at none of it)`, async ({ pusher }) => {
    await using client = new RawClient(pusher, `/app/${pusher.key}`, { query })
    if (isSoketi(pusher)) await client.received('pusher:connection_established')
    else expect((await client.closed).code).toBe(code)
  })
}

test.describe('Hotpath’s own server: how connections end', () => {
  const handshakes = [
    ['an app for TLS only', 4000, '/app/tls', 'protocol=7'],
    ['an unknown key', 4001, '/app/none', 'protocol=7'],
    ['a disabled app', 4003, '/app/disabled', 'protocol=7'],
    ['an app with its last connection taken', 4004, '/app/full', 'protocol=7'],
    ['another path', 4005, '/chat', 'protocol=7'],
    ['a version that is none', 4006, '/app/plain', 'protocol=7&version=latest'],
    ['an old protocol', 4007, '/app/plain', 'protocol=6'],
    ['no protocol', 4008, '/app/plain', 'client=js'],
  ] as const

  test('every fault of a handshake is closed with the documented code and a reason', async () => {
    await using server = await startPusherProcess({
      apps: [
        { key: 'plain' },
        { key: 'tls', tlsOnly: true },
        { key: 'disabled', enabled: false },
        { key: 'full', maxConnections: 1 },
      ],
    })
    await using taken = await RawClient.connect({ ...server, key: 'full' })
    for (const [what, code, path, query] of handshakes) {
      await using client = new RawClient(server, path, { query })
      const closed = await client.closed
      expect(closed.code, what).toBe(code)
      expect(closed.reason, what).toMatch(/\w/)
      expect(client.messages, what).toEqual([])
      await expect.poll(() => server.output.join('\n'), what).toContain(` ${code}: ${closed.reason}`)
    }
    await taken.settled()
  })

  test('over the capacity of the server a connection is closed with 4100, and the official client waits and comes back', async () => {
    await using server = await startPusherProcess({ args: ['--max-connections', '1'] })
    const target = { ...server, ...server.app }
    const first = await Subscriber.connect(target)
    await using second = new Subscriber(target)
    await expect.poll(() => second.errors.map(({ code }) => code)).toContain(4100)
    first.client.disconnect()
    await second.whenState('connected')
  })

  test('a client that does not answer a ping is closed with 4201, and one that does is not', async () => {
    await using server = await startPusherProcess({ apps: [{ activityTimeoutMs: 400, pongTimeoutMs: 400 }] })
    await using mute = await RawClient.connect({ ...server, ...server.app }, { autoPong: false })
    await using polite = await RawClient.connect({ ...server, ...server.app })
    await polite.received('pusher:ping')
    expect((await mute.closed).code).toBe(4201)
    await polite.settled()
  })

  test('a ping event alone keeps a connection alive', async () => {
    await using server = await startPusherProcess({ apps: [{ activityTimeoutMs: 400, pongTimeoutMs: 400 }] })
    await using client = await RawClient.connect({ ...server, ...server.app }, { autoPong: false })
    await using mute = await RawClient.connect({ ...server, ...server.app }, { autoPong: false })
    client.webSocket.on('message', (data) => {
      if ((data as Buffer).includes('pusher:ping')) client.send({ event: 'pusher:pong', data: {} })
    })
    await mute.closed
    await client.settled()
  })

  test('a half-open connection is found and forgotten', async () => {
    await using server = await startPusherProcess({ apps: [{ activityTimeoutMs: 400, pongTimeoutMs: 400 }] })
    const publisher = createPublisher({ ...server, ...server.app })
    await using client = await RawClient.connect({ ...server, ...server.app })
    client.send({ event: 'pusher:subscribe', data: { channel: 'a' } })
    await client.received('pusher_internal:subscription_succeeded')
    // Nothing more is read or answered, as if the cable had been pulled.
    client.webSocket.pause()
    const channels = async (): Promise<unknown> => (await publisher.get({ path: '/channels' })).json()
    await expect.poll(channels, { timeout: 15_000 }).toEqual({ channels: {} })
  })

  test('a connection that has to authorize and does not is closed with 4009, the others stay', async () => {
    await using server = await startPusherProcess({ apps: [{ authorizeWithinMs: 500 }] })
    const target = { ...server, ...server.app }
    await using anonymous = await RawClient.connect(target)
    await using member = await Subscriber.connect(target)
    await using user = await Subscriber.connect(target, { user: { id: 'ada' } })
    await member.subscribe('private-a')
    await user.signIn()
    anonymous.send({ event: 'pusher:subscribe', data: { channel: 'public' } })
    expect((await anonymous.closed).code).toBe(4009)
    await using next = await RawClient.connect(target)
    expect((await next.closed).code).toBe(4009)
    expect([member.client.connection.state, user.client.connection.state]).toEqual(['connected', 'connected'])
  })

  test('a server that stops sends its clients away with 4200, and they come back to the next one by themselves', async () => {
    const apps = [{ key: 'key', secret: 'secret' }]
    const first = await startPusherProcess({ apps })
    await using subscriber = await Subscriber.connect({ ...first, ...first.app })
    await subscriber.subscribe('private-a')
    await first.stop()
    await expect.poll(() => subscriber.errors.map(({ code }) => code)).toContain(4200)
    await using second = await startPusherProcess({ apps, args: ['--port', String(first.port)] })
    await subscriber.whenState('connected')
    const publisher = createPublisher({ ...second, ...second.app })
    await expect
      .poll(async () => await (await publisher.get({ path: '/channels' })).json())
      .toEqual({
        channels: { 'private-a': {} },
      })
    await publisher.trigger('private-a', 'news', 1)
    await expect.poll(() => subscriber.dataOf('private-a', 'news')).toEqual([1])
  })
})
