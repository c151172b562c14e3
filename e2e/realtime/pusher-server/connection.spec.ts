import { connect } from 'node:net'
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

test('Hotpath’s own server: who sent a close frame is gone at once, although its connection stays open: no member, no channel, no delivery', async () => {
  await using server = await startPusherProcess()
  const target = { ...server, ...server.app }
  const publisher = createPublisher(target)
  await using watcher = await RawClient.connect(target)
  const join = (client: RawClient, userId: string): void => {
    const auth = publisher.authorizeChannel(client.socketId, 'presence-a', { user_id: userId })
    client.send({ event: 'pusher:subscribe', data: { channel: 'presence-a', ...auth } })
  }
  join(watcher, 'watcher')
  await watcher.received('pusher_internal:subscription_succeeded')
  const url = new URL(server.url)
  // Half-open: it stays after the server has ended its side, as that of a client that is in no hurry.
  const socket = connect({ port: Number(url.port), host: url.hostname, allowHalfOpen: true })
  try {
    socket.write(
      `GET /app/${server.app.key}?protocol=7 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        'Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    )
    let seen = ''
    socket.on('data', (chunk: Buffer) => (seen += chunk.toString('latin1')))
    await expect.poll(() => /socket_id\\":\\"([\d.]+)/.exec(seen)?.[1]).toBeTruthy()
    const socketId = /socket_id\\":\\"([\d.]+)/.exec(seen)?.[1] ?? ''
    const auth = publisher.authorizeChannel(socketId, 'presence-a', { user_id: 'leaver' })
    socket.write(
      maskedFrame(0x81, JSON.stringify({ event: 'pusher:subscribe', data: { channel: 'presence-a', ...auth } })),
    )
    await watcher.received('pusher_internal:member_added')

    socket.write(maskedFrame(0x88, ''))
    // Its own close frame, without a code, is the answer.
    await expect.poll(() => seen.endsWith('\x88\x00')).toBe(true)
    expect(socket.writable).toBe(true)
    const { users } = (await (await publisher.get({ path: '/channels/presence-a/users' })).json()) as { users: unknown }
    expect(users).toEqual([{ id: 'watcher' }])
    const metrics = async (): Promise<string> => (await fetch(`${server.url}/metrics`)).text()
    const deliveries = (text: string): number => Number(/^pusher_deliveries_total\{.*\} (\d+)$/m.exec(text)?.[1] ?? 0)
    await watcher.received('pusher_internal:member_removed')
    const before = deliveries(await metrics())
    await publisher.trigger('presence-a', 'news', 1)
    await watcher.received('news')
    const after = await metrics()
    expect(deliveries(after) - before).toBe(1)
    expect(after).toMatch(/^pusher_connections\{.*\} 1$/m)
  } finally {
    socket.destroy()
  }
})

/** From a client, and so masked (RFC 6455, 5.3): with zeros, which change nothing. */
function maskedFrame(head: number, text: string): Buffer {
  const payload = Buffer.from(text)
  const length = payload.length < 126 ? [0x80 | payload.length] : [0xfe, payload.length >> 8, payload.length & 0xff]
  return Buffer.concat([Buffer.from([head, ...length, 0, 0, 0, 0]), payload])
}
