import { connect } from 'node:net'
import { expect, test } from '@playwright/test'
import { serve } from '#fixtures/edges/serve.ts'
import { answerClientErrors } from './client-error.ts'

/** What comes back on a connection of its own, until it is closed. */
async function exchange(url: string, bytes: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  let answer = ''
  socket.on('data', (data) => (answer += String(data)))
  socket.write(bytes)
  await new Promise((resolve) => {
    socket.on('close', resolve)
    socket.on('error', resolve)
  })
  return answer
}

for (const [what, bytes, status, code] of [
  ['bytes that are no HTTP', 'hello\r\n\r\n', 400, 'bad_request'],
  ['a head that is too large', `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nhost: x\r\n\r\n`, 431, 'headers_too_large'],
  [
    'a body with two lengths',
    'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n',
    400,
    'bad_request',
  ],
] as const) {
  test(`${what} get ${status} as problem+json, and the connection is closed`, async () => {
    await using served = await serve((_request, response) => response.end('never'))
    answerClientErrors(served.server)
    const [head = '', body = ''] = (await exchange(served.url, bytes)).split('\r\n\r\n')
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(head).toContain('application/problem+json')
    expect(head).toContain('connection: close')
    expect(JSON.parse(body)).toMatchObject({ status, code })
  })
}

test('a request that does not arrive in time gets 408', async () => {
  await using served = await serve((_request, response) => response.end('never'))
  answerClientErrors(served.server)
  // As Node emits it: its own check comes every half a minute at the soonest.
  served.server.on('connection', (socket) => {
    served.server.emit('clientError', Object.assign(new Error('late'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }), socket)
  })
  expect(await exchange(served.url, 'GET / HTTP/1.1\r\n')).toMatch(/^HTTP\/1.1 408 /)
})

test('a connection that the client has reset is let go', async () => {
  await using served = await serve((_request, response) => response.end('never'))
  answerClientErrors(served.server)
  served.server.on('connection', (socket) => {
    served.server.emit('clientError', Object.assign(new Error('reset'), { code: 'ECONNRESET' }), socket)
  })
  expect(await exchange(served.url, '')).toBe('')
})
