import { createHmac } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

import { expect, test } from '@playwright/test'

import { systemClock } from '#optimizations/kernel/clock.ts'
import { apiOrigin } from './pusher-app.ts'
import { createPusherTransport, type PusherTransport } from './pusher-transport.ts'

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

for (const status of [102, 103]) {
  test(`an interim answer ${status} is not the answer: the event is delivered by the 200 behind it`, async () => {
    await withServer(
      (_request, response) => {
        if (status === 102) response.writeProcessing()
        else response.writeEarlyHints({ link: '</app.css>; rel=preload' })
        // Later than a body may take: the time of the body begins with the status that counts.
        setTimeout(() => response.end('{}'), 250)
      },
      async (transport) => {
        expect(await transport.send('/events', '{}')).toEqual({ kind: 'delivered' })
        expect(await transport.request('GET', '/channels')).toMatchObject({ status: 200, body: '{}' })
      },
    )
  })
}

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
  ['an IPv6 address', { host: '::1', port: 81 }, 'http://[::1]:81'],
  ['an IPv6 address in brackets', { host: '[fe80::1]', useTls: true }, 'https://[fe80::1]'],
  ['a cluster', { cluster: 'eu' }, 'https://api-eu.pusher.com'],
  ['nothing said', {}, 'https://api-mt1.pusher.com'],
] as const) {
  test(`with ${what} the API is at ${origin}`, () => {
    expect(apiOrigin({ appId: '1', key: 'k', secret: 's', ...app })).toBe(origin)
  })
}
