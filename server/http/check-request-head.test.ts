import { expect, test } from '@playwright/test'
import express from 'express'
import { RawConnection, type RawReply } from '#fixtures/edges/raw-connection.ts'
import { serve } from '#fixtures/edges/serve.ts'
import { checkRequestHead } from './check-request-head.ts'
import { createErrorHandler } from './error-handler.ts'
import { createLogger } from './logger.ts'
import { createRequestContext } from '#optimizations/express/request-context.ts'

function createApp() {
  const app = express()
  app.use(createRequestContext({ timeoutMs: 30_000 }))
  app.use(checkRequestHead)
  app.use(express.json())
  app.use((request, response) => response.json({ read: (request.body as unknown) ?? null }))
  app.use(createErrorHandler(createLogger('silent')))
  return app
}

async function exchange(head: string, body = ''): Promise<RawReply> {
  await using served = await serve(createApp(), { headsAreCheckedBy: 'listener' })
  using connection = await RawConnection.open(served.url)
  const reply = await connection.exchange(`${head}\r\n\r\n${body}`)
  if (typeof reply === 'string') throw new Error(`no reply: ${reply}`)
  if (reply.headers['connection'] === 'close') expect(await connection.ended).toBe('closed')
  return reply
}

for (const [what, head, status, code] of [
  ['no Host', 'GET / HTTP/1.1', 400, 'invalid_host'],
  ['two different Hosts', 'GET / HTTP/1.1\r\nhost: a\r\nhost: b', 400, 'invalid_host'],
  ['the same Host twice', 'GET / HTTP/1.0\r\nHost: a\r\nhost: a', 400, 'invalid_host'],
  ['an empty Host', 'GET / HTTP/1.1\r\nhost:', 400, 'invalid_host'],
  ['a Host with a path', 'GET / HTTP/1.1\r\nhost: a/b', 400, 'invalid_host'],
  ['a Host with a user', 'GET / HTTP/1.1\r\nhost: me@a', 400, 'invalid_host'],
  ['a Host with a port that is none', 'GET / HTTP/1.1\r\nhost: a:b', 400, 'invalid_host'],
  ['an unknown expectation', 'GET / HTTP/1.1\r\nhost: a\r\nexpect: tea', 417, 'expectation_failed'],
  ['another version', 'GET / HTTP/2.0\r\nhost: a', 400, 'unsupported_http_version'],
  ['another coding', 'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: foo', 400, 'unsupported_transfer_encoding'],
  [
    'a coding around the chunks',
    'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked',
    400,
    'unsupported_transfer_encoding',
  ],
] as const) {
  test(`a head with ${what} gets ${status} as problem+json with its request id, and its connection ends`, async () => {
    const { headers, body, ...reply } = await exchange(`${head}\r\nx-request-id: trace-1234`)
    expect(reply.status).toBe(status)
    expect(headers).toMatchObject({ connection: 'close', 'x-request-id': 'trace-1234' })
    expect(headers['content-type']).toContain('application/problem+json')
    expect(JSON.parse(body)).toMatchObject({ status, code, requestId: 'trace-1234' })
  })
}

for (const head of [
  'GET / HTTP/1.0',
  'GET / HTTP/1.1\r\nhost: school.example:8080',
  'GET / HTTP/1.1\r\nhost: 127.0.0.1',
  'GET / HTTP/1.1\r\nhost: [::1]:3000',
  'GET http://school.example/ HTTP/1.1\r\nhost: school.example',
  'GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket',
  'GET / HTTP/1.0\r\nexpect: tea',
]) {
  test(`${JSON.stringify(head)} is served`, async () => {
    expect(await exchange(head)).toMatchObject({ status: 200, body: '{"read":null}' })
  })
}

test('a client that waits for 100 Continue is told to go on, and its body is read', async () => {
  await using served = await serve(createApp(), { headsAreCheckedBy: 'listener' })
  using connection = await RawConnection.open(served.url)
  const head =
    'POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 7\r\nexpect: 100-Continue'
  expect(await connection.exchange(`${head}\r\n\r\n`)).toMatchObject({ status: 100 })
  expect(await connection.exchange('{"a":1}')).toMatchObject({ status: 200, body: '{"read":{"a":1}}' })
})
