import { connect } from 'node:net'
import { once } from 'node:events'
import { expect, test } from '@playwright/test'
import express from 'express'
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

test('a body that does not come in time costs its connection', async () => {
  const { app } = createApp()
  await using served = await serve(app)
  const socket = connect(Number(new URL(served.url).port), '127.0.0.1')
  socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"a":')
  let answer = ''
  socket.on('data', (bytes) => (answer += String(bytes)))
  await once(socket, 'close')
  expect(answer).toMatch(/^HTTP\/1.1 503 /)
  expect(answer.toLowerCase()).toContain('connection: close')
})

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
