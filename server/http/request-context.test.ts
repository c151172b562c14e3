import { once } from 'node:events'
import { expect, test } from '@playwright/test'
import express from 'express'
import { RawConnection } from '#fixtures/edges/raw-connection.ts'
import { serve } from '#fixtures/edges/serve.ts'
import { CurrentRequest } from '#optimizations/manager/current-request.ts'
import { createErrorHandler } from './error-handler.ts'
import { createLogger } from './logger.ts'
import { ClientGoneError, contextOf, createRequestContext } from './request-context.ts'

const TIMEOUT_MS = 60

function createApp(timeoutMs = TIMEOUT_MS) {
  const log: string[] = []
  const begun: string[] = []
  const reasons: unknown[] = []
  const late = Promise.withResolvers<void>()
  const app = express()
  app.use(createRequestContext(new CurrentRequest(), timeoutMs))
  app.get('/heedless', async (_request, response) => {
    await late.promise
    response.json({ too: 'late' })
  })
  app.get('/heedful', async (_request, response) => {
    const { signal } = contextOf(response)
    begun.push('heedful')
    await once(signal, 'abort')
    reasons.push(signal.reason)
    signal.throwIfAborted()
  })
  app.get('/begun', async (_request, response) => {
    response.write('half')
    await once(contextOf(response).signal, 'abort')
    response.end(' and half')
  })
  app.post('/', express.json(), (_request, response) => {
    response.json({ read: true })
  })
  app.get('/', (_request, response) => {
    response.json({ in: 'time' })
  })
  app.use(createErrorHandler(createLogger('info', { write: (line) => void log.push(line) })))
  return { app, log, begun, reasons, late }
}

for (const path of ['/heedless', '/heedful']) {
  test(`a request whose time is over is answered with 503 by a ${path.slice(1)} handler too`, async () => {
    const { app, log, late } = createApp()
    await using served = await serve(app)
    const reply = await fetch(`${served.url}${path}`)
    expect(reply.status).toBe(503)
    expect(reply.headers.get('content-type')).toContain('application/problem+json')
    expect(reply.headers.get('retry-after')).toBe('1')
    expect(await reply.json()).toMatchObject({ code: 'request_timeout', requestId: reply.headers.get('x-request-id') })
    late.resolve()
    // The connection is as good as before, and the late answer of the handler went nowhere.
    expect(await (await fetch(served.url)).json()).toEqual({ in: 'time' })
    expect(log).toEqual([])
  })
}

test('a reply that has begun is not cut by the timeout', async () => {
  const { app } = createApp()
  await using served = await serve(app)
  expect(await (await fetch(`${served.url}/begun`)).text()).toBe('half and half')
})

const POST = 'POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n'

for (const [what, bytes] of [
  ['that stops half-way', `${POST}content-length: 100\r\n\r\n{"a":`],
  ['of which nothing comes', `${POST}content-length: 100\r\n\r\n`],
  ['in chunks that stop', `${POST}transfer-encoding: chunked\r\n\r\n5\r\n{"a":\r\n`],
  ['that is compressed and stops', `${POST}content-encoding: gzip\r\ncontent-length: 100\r\n\r\n\x1f\x8b`],
] as const) {
  test(`a body ${what} gets 408, is no error in the log, and costs its connection`, async () => {
    const { app, log } = createApp()
    await using served = await serve(app)
    using connection = await RawConnection.open(served.url)
    connection.send(bytes)
    expect(await connection.ended).toBe('closed')
    expect(connection.replies).toMatchObject([{ status: 408, headers: { connection: 'close' } }])
    expect(JSON.parse(connection.replies[0]?.body ?? '')).toMatchObject({ code: 'request_timeout' })
    expect(log).toEqual([])
  })
}

test('a handler that takes its time before it reads the body is our fault: 503', async () => {
  const { app, log } = createApp()
  await using served = await serve(app)
  using connection = await RawConnection.open(served.url)
  connection.send('GET /heedful HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{')
  expect(await connection.ended).toBe('closed')
  expect(connection.replies).toMatchObject([{ status: 503 }])
  expect(log).toEqual([])
})

for (const [what, bytes, leave] of [
  ['resets the connection', '', (connection: RawConnection) => connection.reset()],
  ['sends a chunk that is none', 'zz\r\n', () => undefined],
] as const) {
  test(`a client that ${what} within its body is no error in the log`, async () => {
    const { app, log } = createApp(30_000)
    await using served = await serve(app)
    const { promise: closed, resolve } = Promise.withResolvers<void>()
    served.server.on('request', (_request, response) => response.once('close', () => resolve()))
    using connection = await RawConnection.open(served.url)
    connection.send(`${POST}transfer-encoding: chunked\r\n\r\n5\r\n{"a":\r\n`)
    await expect.poll(() => served.http.connections.all().map(({ state }) => state)).toEqual(['busy'])
    connection.send(bytes)
    leave(connection)
    await closed
    expect(log).toEqual([])
    if (bytes === '') return
    expect(await connection.ended).toBe('closed')
    expect(connection.replies).toMatchObject([{ status: 400, headers: { connection: 'close' } }])
  })
}

test('the signal says when the client has gone, and nobody logs an error for it', async () => {
  const { app, log, begun, reasons } = createApp(30_000)
  await using served = await serve(app)
  const leaving = new AbortController()
  const request = fetch(`${served.url}/heedful`, { signal: leaving.signal })
  await expect.poll(() => begun).toEqual(['heedful'])
  leaving.abort()
  await expect(request).rejects.toThrow()
  await expect.poll(() => reasons[0] instanceof ClientGoneError).toBe(true)
  expect(log).toEqual([])
})

test('a handler outside of the request context is told so', () => {
  expect(() => contextOf({} as express.Response)).toThrow('createRequestContext')
})
