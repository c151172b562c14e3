import { createHmac } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

import { expect, test } from '@playwright/test'

import { systemClock } from '#optimizations/kernel/clock.ts'
import { apiOrigin } from './pusher-app.ts'
import { classify, createPusherTransport, type HttpAnswer, type PusherTransport } from './pusher-transport.ts'

const answer = (status: number, rest: Partial<HttpAnswer> = {}): HttpAnswer => ({
  status,
  body: '{}',
  retryAfterMs: undefined,
  fault: undefined,
  ...rest,
})

for (const [what, given, outcome] of [
  ['200', answer(200), { kind: 'delivered' }],
  ['202', answer(202), { kind: 'delivered' }],
  ['200 whose body broke off', answer(200, { body: '{"er', fault: 'und_err_socket' }), { kind: 'delivered' }],
  ['200 with an error in broken JSON', answer(200, { body: '{"error":"…' }), { kind: 'delivered' }],
  ['200 with an error without a code', answer(200, { body: '{"error":"odd"}' }), { kind: 'delivered' }],
  [
    '200 with the error that soketi means',
    answer(200, { body: '{"error":"The event data should be less than 100 KB","code":413}' }),
    { kind: 'refused', scope: 'event', reason: 'http_413' },
  ],
  [
    '200 with an error about the app',
    answer(200, { body: '{"error":"The secret authentication failed","code":401}' }),
    { kind: 'refused', scope: 'app', reason: 'http_401' },
  ],
  ['400', answer(400), { kind: 'refused', scope: 'event', reason: 'http_400' }],
  ['401', answer(401), { kind: 'refused', scope: 'app', reason: 'http_401' }],
  ['403', answer(403), { kind: 'refused', scope: 'app', reason: 'http_403' }],
  ['404', answer(404), { kind: 'refused', scope: 'app', reason: 'http_404' }],
  ['413', answer(413), { kind: 'refused', scope: 'event', reason: 'http_413' }],
  ['408', answer(408), { kind: 'unavailable', reason: 'http_408', retryAfterMs: undefined }],
  ['429', answer(429, { retryAfterMs: 250 }), { kind: 'throttled', reason: 'http_429', retryAfterMs: 250 }],
  ['500', answer(500), { kind: 'unavailable', reason: 'http_500', retryAfterMs: undefined }],
  ['503', answer(503, { retryAfterMs: 9 }), { kind: 'unavailable', reason: 'http_503', retryAfterMs: 9 }],
  ['no answer', answer(0, { fault: 'econnreset' }), { kind: 'unavailable', reason: 'econnreset' }],
  ['no answer for no reason', answer(0), { kind: 'unavailable', reason: 'no_answer' }],
] as const) {
  test(`an answer of ${what} is ${outcome.kind}`, () => {
    expect(classify(given)).toEqual(outcome)
  })
}

async function withServer(
  listener: RequestListener,
  use: (transport: PusherTransport, port: number) => Promise<void>,
): Promise<void> {
  const server = createServer(listener)
  const { promise, resolve } = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', resolve)
  await promise
  const { port } = server.address() as AddressInfo
  const app = { appId: '7', key: 'key', secret: 'secret', host: '127.0.0.1', port }
  const timeouts = { connectTimeoutMs: 500, requestTimeoutMs: 300, bodyTimeoutMs: 200 }
  const transport = createPusherTransport(app, { poolSize: 2, ...timeouts }, systemClock)
  try {
    await use(transport, port)
  } finally {
    await transport.close()
    server.closeAllConnections()
    server.close()
  }
}

test('requests carry the signature that Pusher documents', async () => {
  const seen: string[] = []
  await withServer(
    (request, response) => {
      seen.push(request.url ?? '')
      response.end('{}')
    },
    async (transport) => {
      await transport.send('/events', '{"name":"e"}')
      await transport.request('GET', '/channels', { info: 'user_count' })
      const signatures = seen.map((url) => new URL(url, 'http://localhost').searchParams)
      expect(signatures.map((params) => params.get('body_md5') !== null)).toEqual([true, false])
      for (const [index, params] of signatures.entries()) {
        const [path = ''] = seen[index]?.split('?') ?? []
        const lines = [...params]
          .filter(([name]) => name !== 'auth_signature')
          .map(([name, value]) => `${name}=${value}`)
        const signed = [index === 0 ? 'POST' : 'GET', path, lines.sort().join('&')].join('\n')
        expect(params.get('auth_signature')).toBe(createHmac('sha256', 'secret').update(signed).digest('hex'))
      }
    },
  )
})

test('a Retry-After reaches the caller', async () => {
  await withServer(
    (_request, response) => response.writeHead(429, { 'retry-after': '1.5' }).end(),
    async (transport) => {
      expect(await transport.send('/events', '{}')).toMatchObject({ kind: 'throttled', retryAfterMs: 1_500 })
    },
  )
})

test('a server that does not answer in time is unavailable', async () => {
  await withServer(
    () => undefined,
    async (transport) => {
      const outcome = await transport.send('/events', '{}')
      expect(outcome).toEqual({ kind: 'unavailable', reason: 'und_err_headers_timeout', retryAfterMs: undefined })
    },
  )
})

test('a body that never ends does not hold the connection, and an event answered with 200 is delivered', async () => {
  await withServer(
    (_request, response) => {
      const dripping = setInterval(() => response.write(' '), 20)
      response.on('close', () => clearInterval(dripping))
    },
    async (transport) => {
      expect(await transport.send('/events', '{}')).toEqual({ kind: 'delivered' })
      expect(await transport.send('/events', '{}')).toEqual({ kind: 'delivered' })
    },
  )
})

test('of a huge body no more than a part is kept', async () => {
  await withServer(
    (_request, response) => response.end('x'.repeat(5_000_000)),
    async (transport) => {
      const { body } = await transport.request('GET', '/channels')
      expect(body.length).toBeLessThan(200_000)
    },
  )
})

test('a connection that is cut and a port where nothing listens are unavailable', async () => {
  await withServer(
    (request) => request.socket.resetAndDestroy(),
    async (transport) => {
      expect(await transport.send('/events', '{}')).toMatchObject({ kind: 'unavailable' })
    },
  )
  const nowhere = { appId: '7', key: 'key', secret: 'secret', host: '127.0.0.1', port: 1 }
  const timeouts = { connectTimeoutMs: 500, requestTimeoutMs: 300, bodyTimeoutMs: 200 }
  const transport = createPusherTransport(nowhere, { poolSize: 1, ...timeouts }, systemClock)
  expect(await transport.send('/events', '{}')).toMatchObject({ kind: 'unavailable', reason: 'econnrefused' })
  await transport.close()
})

for (const [what, app, origin] of [
  ['a host of its own', { host: 'h', port: 81 }, 'http://h:81'],
  ['a host of its own with TLS', { host: 'h', useTls: true }, 'https://h'],
  ['a cluster', { cluster: 'eu' }, 'https://api-eu.pusher.com'],
  ['nothing said', {}, 'https://api-mt1.pusher.com'],
] as const) {
  test(`with ${what} the API is at ${origin}`, () => {
    expect(apiOrigin({ appId: '1', key: 'k', secret: 's', ...app })).toBe(origin)
  })
}
