import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import * as fc from 'fast-check'
import { expect, test as base } from '#fixtures/test.ts'
import { createPublisher, Subscriber } from '#fixtures/services/pusher/official-clients.ts'
import { RawClient, type RawMessage } from '#fixtures/services/pusher/raw-client.ts'
import { startPusherProcess, type PusherProcess } from '#fixtures/services/pusher/start-pusher-process.ts'

/** One server for all tests of a worker: what one test does to it must not hurt the next. */
const test = base.extend<object, { server: PusherProcess }>({
  server: [
    // oxlint-disable-next-line no-empty-pattern -- Playwright reads the dependencies from the pattern: there are none.
    async ({}, use) => {
      await using server = await startPusherProcess({
        apps: [{ clientEvents: true, watchlist: true, subscriptionCount: true }],
      })
      await use(server)
    },
    { scope: 'worker' },
  ],
})

/** Publishes an event and receives it, through the same process as before. */
async function expectAlive(server: PusherProcess, pid: number): Promise<void> {
  const target = { ...server, ...server.app }
  await using subscriber = await Subscriber.connect(target)
  await subscriber.subscribe('alive')
  await createPublisher(target).trigger('alive', 'news', 1)
  await expect.poll(() => subscriber.dataOf('alive', 'news')).toEqual([1])
  expect(server.pid).toBe(pid)
}

test.afterEach(async ({ server }) => expectAlive(server, server.pid))

const text = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('', '__proto__', 'constructor', '\u0000'),
)
const channel = fc.oneof(
  text,
  text.map((name) => `private-${name}`),
  text.map((name) => `presence-${name}`),
  text.map((name) => `cache-${name}`),
  fc.constantFrom('a', 'private-a', 'presence-a', 'cache-a', '#server-to-user-a', 'x'.repeat(500)),
)
const event = fc.oneof(
  text,
  text.map((name) => `client-${name}`),
  fc.constantFrom(
    'pusher:subscribe',
    'pusher:unsubscribe',
    'pusher:signin',
    'pusher:ping',
    'pusher:pong',
    'client-a',
    'toString',
    '__proto__',
  ),
)
/** What looks like a message, each part of which may be of any type. */
const message = fc.record(
  {
    event: fc.oneof({ weight: 9, arbitrary: event }, fc.jsonValue()),
    channel: fc.oneof({ weight: 4, arbitrary: channel }, fc.jsonValue()),
    data: fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ channel, auth: text, channel_data: text, user_data: text }, { requiredKeys: [] }),
      },
      fc.jsonValue(),
    ),
  },
  { requiredKeys: [] },
)
const payload = fc.oneof(
  { weight: 6, arbitrary: message.map((value) => JSON.stringify(value)) },
  { weight: 2, arbitrary: fc.json() },
  { weight: 1, arbitrary: text },
  {
    weight: 1,
    arbitrary: fc.constantFrom('{', '[]', 'null', '{"event":7}', '{"event":null}', '1e999', '"'.repeat(1_000)),
  },
)

/** A frame with any opcode, flags and length, masked as a client's has to be unless it is not. */
const frame = fc
  .record({
    first: fc.integer({ min: 0, max: 255 }),
    isMasked: fc.boolean(),
    claimed: fc.option(fc.constantFrom(0, 1, 125, 126, 127), { nil: undefined }),
    body: fc.uint8Array({ maxLength: 125 }),
  })
  .map(({ first, isMasked, claimed, body }) => {
    const length = (claimed ?? body.length) | (isMasked ? 0x80 : 0)
    return Buffer.from([first, length, ...(isMasked ? [0, 0, 0, 0] : []), ...body])
  })

test.describe('Hotpath’s own server: bad input', () => {
  test('whatever a client says, every message is answered or ignored, and the connection stays', async ({
    server,
    intensity,
    seed,
  }) => {
    const target = { ...server, ...server.app }
    await using client = await RawClient.connect(target)
    // A signin that fails ends the connection, as it should: here it would end the test.
    const harmless = payload.filter((sent) => !sent.includes('pusher:signin'))
    await fc.assert(
      fc.asyncProperty(fc.array(harmless, { minLength: 10, maxLength: 40 }), async (payloads) => {
        client.messages.length = 0
        for (const sent of payloads) client.send(sent)
        await client.settled()
        expect(client.messages.filter((answer) => !isLawful(answer))).toEqual([])
      }),
      { seed, numRuns: Math.ceil(2_000 * intensity) },
    )
  })

  test('whatever is in a signin, it is an error and at most the end of the connection', async ({
    server,
    intensity,
    seed,
  }) => {
    const target = { ...server, ...server.app }
    const publisher = createPublisher(target)
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.json(), text), fc.boolean(), async (userData, isSigned) => {
        await using client = await RawClient.connect(target)
        // The library signs objects only: the data is smuggled in as one that serializes to it.
        const forged = Object.assign({ id: 'a' }, { toJSON: () => userData })
        const { auth } = publisher.authenticateUser(client.socketId, forged)
        const data = {
          auth: isSigned ? auth : `${target.key}:x`,
          user_data: isSigned ? JSON.stringify(userData) : userData,
        }
        client.send({ event: 'pusher:signin', data })
        if (isSigned) await client.settled()
        else expect((await client.closed).code).toBe(4009)
        expect(client.messages.map(({ event: name }) => name)).toContain('pusher:error')
      }),
      { seed, numRuns: Math.ceil(500 * intensity) },
    )
  })

  test('whatever bytes come as frames, the connection is closed cleanly or stays', async ({
    server,
    intensity,
    seed,
  }) => {
    const target = { ...server, ...server.app }
    await fc.assert(
      fc.asyncProperty(fc.array(frame, { minLength: 1, maxLength: 10 }), async (frames) => {
        const socket = await upgrade(server, `/app/${target.key}?protocol=7`)
        socket.end(Buffer.concat(frames))
        await once(socket, 'close')
      }),
      { seed, numRuns: Math.ceil(2_000 * intensity) },
    )
  })

  test('invalid UTF-8, binary and oversize frames are closed with 1007, 1003 and 1009', async ({ server }) => {
    const target = { ...server, ...server.app }
    for (const [data, isBinary, code] of [
      [Buffer.from([0x22, 0xff, 0xfe, 0x22]), false, 1007],
      [Buffer.from('{"event":"pusher:ping"}'), true, 1003],
      [Buffer.alloc(200_000, 0x20), false, 1009],
    ] as const) {
      await using client = await RawClient.connect(target)
      client.webSocket.send(data, { binary: isBinary })
      expect((await client.closed).code).toBe(code)
    }
  })

  test('whatever URL a handshake has, it is closed with a documented code', async ({ server, intensity, seed }) => {
    const path = fc.oneof(
      fc.webPath(),
      fc.webPath().map((more) => `/app${more}`),
      fc.constant(`/app/${server.app.key}`),
    )
    await fc.assert(
      fc.asyncProperty(path, fc.webQueryParameters(), fc.boolean(), async (anyPath, query, isVersioned) => {
        await using client = new RawClient(server, anyPath.startsWith('/') ? anyPath : `/${anyPath}`, {
          query: isVersioned ? `protocol=7&version=${query}` : query,
        })
        const established = client.received('pusher:connection_established').then(
          () => 0,
          () => 0,
        )
        const code = await Promise.race([established, client.closed.then((closed) => closed.code)])
        expect([0, 4001, 4005, 4006, 4007, 4008]).toContain(code)
      }),
      { seed, numRuns: Math.ceil(1_000 * intensity) },
    )
  })

  test('whatever is signed and posted, it is accepted or refused with a documented status', async ({
    server,
    intensity,
    seed,
  }) => {
    const target = { ...server, ...server.app }
    const body = fc.oneof(
      fc.record(
        {
          name: fc.oneof(text, fc.jsonValue()),
          data: fc.oneof(text, fc.jsonValue()),
          channel: fc.oneof(channel, fc.jsonValue()),
          channels: fc.oneof(fc.array(channel), fc.jsonValue()),
          socket_id: fc.oneof(text, fc.constant('1.1'), fc.jsonValue()),
          info: fc.oneof(text, fc.constantFrom('user_count', 'subscription_count,user_count'), fc.jsonValue()),
          batch: fc.oneof(fc.array(message), fc.jsonValue()),
        },
        { requiredKeys: [] },
      ),
      fc.jsonValue(),
    )
    const path = fc.constantFrom(
      '/events',
      '/batch_events',
      '/users/a/terminate_connections',
      '/channels',
      '/%ff',
      '//',
    )
    await fc.assert(
      fc.asyncProperty(
        path,
        fc.oneof(
          body.map((value) => JSON.stringify(value)),
          text,
        ),
        async (resource, posted) => {
          expect([200, 400, 401, 404, 413]).toContain(await post(target, resource, posted))
        },
      ),
      { seed, numRuns: Math.ceil(3_000 * intensity) },
    )
  })

  test('whatever bytes come as HTTP, the connection is answered or closed', async ({ server, intensity, seed }) => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 2_000 }).map((array) => Buffer.from(array)),
      fc
        .tuple(text, text, text)
        .map(([method, url, headers]) => Buffer.from(`${method} ${url} HTTP/1.1\r\n${headers}\r\n\r\n`)),
      text.map((chunk) =>
        Buffer.from(`POST /apps/1/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}`),
      ),
      text.map((name) =>
        Buffer.from(`GET /app/a HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: ${name.replace(/[\r\n]/g, '')}\r\n\r\n`),
      ),
    )
    await fc.assert(
      fc.asyncProperty(bytes, async (sent) => {
        const socket = await open(server)
        socket.end(sent)
        await once(socket, 'close')
      }),
      { seed, numRuns: Math.ceil(1_000 * intensity) },
    )
  })

  test('a flood of subscriptions is bounded, and each one over the bound is refused', async ({ server }) => {
    test.slow()
    const target = { ...server, ...server.app }
    await using client = await RawClient.connect(target)
    for (let number = 0; number < 10_100; number += 1) {
      client.send({ event: 'pusher:subscribe', data: { channel: `flood-${number}` } })
      // Who only ever sends is cut off for not reading, which is another test.
      if (number % 500 === 0) await client.settled()
    }
    await client.settled()
    const count = (name: string): number => client.messages.filter(({ event: one }) => one === name).length
    expect(count('pusher_internal:subscription_succeeded')).toBe(10_000)
    expect(count('pusher:error')).toBe(100)
  })

  test('who sends his request slowly is cut off, and others do not notice', async ({ server }) => {
    test.setTimeout(60_000)
    const startedAt = performance.now()
    const slow = await Promise.all(Array.from({ length: 50 }, () => open(server)))
    const dripping = setInterval(() => {
      for (const socket of slow) if (socket.writable) socket.write('X-a: b\r\n')
    }, 500)
    for (const socket of slow) socket.write('GET /metrics HTTP/1.1\r\nHost: a\r\n')
    const silent = await open(server)
    await expectAlive(server, server.pid)
    await Promise.all([...slow, silent].map((socket) => once(socket, 'close')))
    clearInterval(dripping)
    // Ten seconds for the headers, and a second until somebody looks.
    expect(performance.now() - startedAt).toBeLessThan(20_000)
  })
})

/** One of the server's own events, and an error only of the kind that leaves the connection open. */
function isLawful({ event: name, data }: RawMessage): boolean {
  if (name !== 'pusher:error') return /^pusher(_internal)?:/.test(name)
  const { code, message: said } = data as { code: unknown; message: unknown }
  return (code === null || code === 4301) && typeof said === 'string'
}

async function open({ host, port }: PusherProcess): Promise<Socket> {
  const socket = connect(port, host)
  socket.on('error', () => undefined).resume()
  await once(socket, 'connect')
  return socket
}

/** A socket on which the handshake is done. */
async function upgrade(server: PusherProcess, path: string): Promise<Socket> {
  const socket = await open(server)
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  )
  await once(socket, 'data')
  return socket
}

async function post(target: Parameters<typeof createPublisher>[0], path: string, body: string): Promise<number> {
  const fullPath = `/apps/${target.appId}${path}`
  const query = createPublisher(target).createSignedQueryString({ method: 'POST', path: fullPath, body })
  const response = await fetch(`http://${target.host}:${target.port}${fullPath}?${query}`, { method: 'POST', body })
  await response.text()
  return response.status
}
