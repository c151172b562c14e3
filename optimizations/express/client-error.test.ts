import { expect, test } from '@playwright/test'
import { RawConnection } from '#fixtures/edges/raw-connection.ts'
import { serve } from '#fixtures/edges/serve.ts'

for (const [what, bytes, status, code] of [
  ['bytes that are no HTTP', 'hello\r\n\r\n', 400, 'bad_request'],
  ['a head that is too large', `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nhost: x\r\n\r\n`, 431, 'headers_too_large'],
  [
    'a body with two lengths',
    'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n',
    400,
    'bad_request',
  ],
  ['a target that is none', 'GET http:// HTTP/1.1\r\nhost: x\r\n\r\n', 400, 'bad_request'],
  ['CONNECT', 'CONNECT x:443 HTTP/1.1\r\nhost: x\r\n\r\n', 405, 'method_not_allowed'],
] as const) {
  test(`${what} get ${status} as problem+json, and the connection is closed`, async () => {
    await using served = await serve((_request, response) => response.end('never'))
    using connection = await RawConnection.open(served.url)
    connection.send(bytes)
    expect(await connection.ended).toBe('closed')
    const [reply, ...others] = connection.replies
    expect(others).toEqual([])
    expect(reply?.status).toBe(status)
    expect(reply?.headers).toMatchObject({ connection: 'close' })
    expect(reply?.headers['content-type']).toContain('application/problem+json')
    const requestId = reply?.headers['x-request-id']
    expect(JSON.parse(reply?.body ?? '')).toMatchObject({ status, code, requestId })
  })
}

const SHORT = { headersTimeoutMs: 200, requestTimeoutMs: 1_000 }

test('a head that does not arrive in time gets 408, byte by byte too', async () => {
  await using served = await serve((_request, response) => response.end('never'), SHORT)
  using half = await RawConnection.open(served.url)
  using slow = await RawConnection.open(served.url)
  half.send('GET / HTTP/1.1\r\n')
  slow.send('GET / HTTP/1.1\r\nx: ')
  const dripping = setInterval(() => slow.send('x'), 20)
  expect(await half.ended).toBe('closed')
  await expect.poll(() => slow.replies.length).toBe(1)
  clearInterval(dripping)
  for (const { replies } of [half, slow]) expect(replies.map(({ status }) => status)).toEqual([408])
})

test('a connection on which nothing is ever asked is closed in time, and hears nothing', async () => {
  await using served = await serve((_request, response) => response.end('never'), SHORT)
  using connection = await RawConnection.open(served.url)
  expect(await connection.ended).toBe('closed')
  expect(connection.received).toBe('')
})

test('a client that does not read its reply is let go in time', async () => {
  const timeouts = { headersTimeoutMs: 200, requestTimeoutMs: 300 }
  await using served = await serve((_request, response) => response.end(Buffer.alloc(50_000_000)), timeouts)
  const { promise: closed, resolve } = Promise.withResolvers<void>()
  served.server.on('connection', (socket) => socket.once('close', () => resolve()))
  using connection = await RawConnection.open(served.url)
  connection.pause()
  connection.send('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  await closed
})

test('what follows a request and is no HTTP does not take its reply from it', async () => {
  const { promise: letGo, resolve } = Promise.withResolvers<void>()
  await using served = await serve((_request, response) => void letGo.then(() => response.end('good')))
  const { promise: failed, resolve: fail } = Promise.withResolvers<void>()
  served.server.on('clientError', () => fail())
  using connection = await RawConnection.open(served.url)
  connection.send('GET / HTTP/1.1\r\nhost: x\r\n\r\nnonsense\r\n\r\n')
  await failed
  resolve()
  expect(await connection.ended).toBe('closed')
  expect(connection.replies.map(({ status }) => status)).toEqual([200, 400])
  expect(connection.replies[0]?.body).toBe('good')
})

test('a reply that has begun is not mixed with the refusal of the body behind it', async () => {
  await using served = await serve(
    (_request, response) => void response.writeHead(200, { 'content-length': 4 }).write('ab'),
  )
  using connection = await RawConnection.open(served.url)
  connection.send('POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n')
  await expect.poll(() => connection.received).toMatch(/ab$/)
  connection.send('zz\r\n')
  await connection.ended
  expect(connection.received).toMatch(/\r\n\r\nab$/)
})

test('a client that goes on sending after it was refused gets the whole reply, and no reset', async () => {
  await using served = await serve((_request, response) => {
    response.writeHead(413, { connection: 'close', 'content-length': 8 }).end('too much')
  })
  using connection = await RawConnection.open(served.url, { keepsSending: true })
  const refused = await connection.exchange('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9000000\r\n\r\n')
  expect(refused).toMatchObject({ status: 413, body: 'too much' })
  let parts = 0
  const sending = setInterval(() => {
    parts += 1
    connection.send('x'.repeat(1_000))
  }, 10)
  await expect.poll(() => parts, { intervals: [5] }).toBeGreaterThan(2)
  clearInterval(sending)
  connection.finish()
  expect(await connection.ended).toBe('closed')
})

test('a connection that the client resets in the middle of a head is let go', async () => {
  await using served = await serve((_request, response) => response.end('never'))
  const { promise: closed, resolve } = Promise.withResolvers<void>()
  served.server.on('connection', (socket) => socket.once('close', () => resolve()))
  using connection = await RawConnection.open(served.url)
  connection.send('GET / HT')
  connection.reset()
  await closed
  expect(served.http.connections.all()).toEqual([])
})
