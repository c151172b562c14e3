import { once } from 'node:events'
import { expect, test } from '@playwright/test'
import express from 'express'
import { EXPRESS_VERSIONS } from '#fixtures/edges/express-versions.ts'
import { RawConnection, type RawReply } from '#fixtures/edges/raw-connection.ts'
import { serve } from '#fixtures/edges/serve.ts'
import { ClientGoneError, contextOf, createRequestContext, type RequestContextOptions } from './request-context.ts'
import { RequestError } from './request-error.ts'
import { ignoreLateErrors } from './ignore-late-errors.ts'

const TIMEOUT_MS = 60

/** An application with an error handler as applications have them: it answers what it is given, and remembers it. */
function createApp(options: Partial<RequestContextOptions> = {}, create: () => express.Express = express) {
  const failed: unknown[] = []
  const statuses: number[] = []
  const begun: string[] = []
  const reasons: unknown[] = []
  const late = Promise.withResolvers<void>()
  const app = create()
  app.use(createRequestContext({ timeoutMs: TIMEOUT_MS, ...options }))
  app.get('/heedless', async (_request, response, next) => {
    await late.promise
    try {
      response.json({ too: 'late' })
    } catch (error) {
      next(error)
    }
  })
  app.get('/heedful', async (_request, response, next) => {
    const { signal } = contextOf(response)
    begun.push('heedful')
    await once(signal, 'abort')
    reasons.push(signal.reason)
    next(signal.reason)
  })
  app.get('/own-error', async (_request, response, next) => {
    await once(contextOf(response).signal, 'abort')
    next(new Error('canceling statement due to statement timeout'))
  })
  app.get('/busy', (_request, response, next) => {
    setImmediate(() => {
      while (Date.now() < contextOf(response).deadlineAt);
      next(new Error('canceling statement due to statement timeout'))
    })
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
  app.use(ignoreLateErrors)
  app.use(((error: RequestError, _request, response, _next) => {
    failed.push(error.code)
    statuses.push(error.status)
    response.status(error.status).json({ code: error.code })
  }) satisfies express.ErrorRequestHandler)
  return { app, failed, statuses, begun, reasons, late }
}

for (const [version, create] of EXPRESS_VERSIONS) {
  for (const [what, path] of [
    ['does not heed it', '/heedless'],
    ['fails with the reason of its signal', '/heedful'],
    ['fails with an error of its own', '/own-error'],
    ['fails before the timer notices', '/busy'],
  ] as const) {
    test(`${version}: a request whose time is over gets a problem, and no error handler hears of it, when its handler ${what}`, async () => {
      const { app, failed, late } = createApp({}, create)
      await using served = await serve(app)
      const reply = await fetch(`${served.url}${path}`)
      expect(reply.status).toBe(503)
      expect(reply.headers.get('content-type')).toContain('application/problem+json')
      expect(reply.headers.get('retry-after')).toBe('1')
      expect(reply.headers.get('connection')).toBe('close')
      const requestId = reply.headers.get('x-request-id')
      expect(await reply.json()).toMatchObject({ status: 503, code: 'request_timeout', requestId })
      late.resolve()
      expect(await (await fetch(served.url)).json()).toEqual({ in: 'time' })
      expect(failed).toEqual([])
    })

    test(`${version}: whoever answers by itself when the time is over keeps the connection when its handler ${what}`, async () => {
      const answer: RequestContextOptions['answer'] = (response, error) =>
        void response.status(error.statusCode).end(contextOf(response).requestId)
      const { app, failed, late } = createApp({ answer }, create)
      await using served = await serve(app)
      using connection = await RawConnection.open(served.url)
      const get = (target: string) => connection.exchange(`GET ${target} HTTP/1.1\r\nhost: x\r\n\r\n`)
      const reply = (await get(path)) as RawReply
      expect(reply).toMatchObject({ status: 503, body: reply.headers['x-request-id'] })
      late.resolve()
      // The late answer of the handler went nowhere.
      expect(await get('/')).toMatchObject({ status: 200, body: '{"in":"time"}' })
      expect(failed).toEqual([])
    })
  }

  test(`${version}: a handler that fails late where nobody drops it takes no other request with it`, async () => {
    const app = create()
    app.set('env', 'test')
    app.use(createRequestContext({ timeoutMs: TIMEOUT_MS }))
    app.get('/', async (_request, response, next) => {
      await once(contextOf(response).signal, 'abort')
      next(new Error('late'))
    })
    await using served = await serve(app)
    using connection = await RawConnection.open(served.url)
    expect(await connection.exchange('GET / HTTP/1.1\r\nhost: x\r\n\r\n')).toMatchObject({
      status: 503,
      headers: { connection: 'close' },
    })
    expect(await connection.ended).toBe('closed')
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
  test(`a body ${what} gets 408, is no error, and costs its connection`, async () => {
    const { app, failed } = createApp()
    await using served = await serve(app)
    using connection = await RawConnection.open(served.url)
    connection.send(bytes)
    expect(await connection.ended).toBe('closed')
    expect(connection.replies).toMatchObject([{ status: 408, headers: { connection: 'close' } }])
    expect(connection.replies[0]?.headers).not.toHaveProperty('retry-after')
    expect(JSON.parse(connection.replies[0]?.body ?? '')).toMatchObject({ code: 'request_timeout' })
    expect(failed).toEqual([])
  })
}

test('a handler that takes its time before it reads the body is our fault: 503', async () => {
  const { app } = createApp()
  await using served = await serve(app)
  using connection = await RawConnection.open(served.url)
  connection.send('GET /heedful HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{')
  expect(await connection.ended).toBe('closed')
  expect(connection.replies).toMatchObject([{ status: 503 }])
})

test('a client that resets the connection within its body is no error of the server', async () => {
  const { app, statuses } = createApp({ timeoutMs: 30_000 })
  await using served = await serve(app)
  const { promise: closed, resolve } = Promise.withResolvers<void>()
  served.server.on('request', (_request, response) => response.once('close', () => resolve()))
  using connection = await RawConnection.open(served.url)
  connection.send(`${POST}transfer-encoding: chunked\r\n\r\n5\r\n{"a":\r\n`)
  await expect.poll(() => served.http.connections.all().map(({ state }) => state)).toEqual(['busy'])
  connection.reset()
  await closed
  expect(statuses.filter((status) => status >= 500)).toEqual([])
})

test('a client that sends a chunk that is none within its body gets 400, and its connection ends', async () => {
  const { app, failed } = createApp({ timeoutMs: 30_000 })
  await using served = await serve(app)
  using connection = await RawConnection.open(served.url)
  connection.send(`${POST}transfer-encoding: chunked\r\n\r\n5\r\n{"a":\r\n`)
  await expect.poll(() => served.http.connections.all().map(({ state }) => state)).toEqual(['busy'])
  connection.send('zz\r\n')
  expect(await connection.ended).toBe('closed')
  expect(connection.replies).toMatchObject([{ status: 400, headers: { connection: 'close' } }])
  expect(failed).toEqual([])
})

test('the signal says when the client has gone, and no error handler hears of it', async () => {
  const { app, failed, begun, reasons } = createApp({ timeoutMs: 30_000 })
  await using served = await serve(app)
  const leaving = new AbortController()
  const request = fetch(`${served.url}/heedful`, { signal: leaving.signal })
  await expect.poll(() => begun).toEqual(['heedful'])
  leaving.abort()
  await expect(request).rejects.toThrow()
  await expect.poll(() => reasons[0] instanceof ClientGoneError).toBe(true)
  expect(failed).toEqual([])
})

test('an id that a client offers is taken in a harmless form only', async () => {
  const { app } = createApp()
  await using served = await serve(app)
  const idFor = async (offered: string) =>
    (await fetch(served.url, { headers: { 'x-request-id': offered } })).headers.get('x-request-id')
  expect(await idFor('trace-1234')).toBe('trace-1234')
  expect(await idFor('{"a":1}  ')).toMatch(/^[\da-f-]{36}$/)
})

test('an error of a request that goes on reaches the error handlers', async () => {
  const { app, failed } = createApp()
  app.get('/broken', () => {
    throw new RequestError(429, 'rate_limited', 'slow down')
  })
  app.use(ignoreLateErrors)
  app.use(((error: RequestError, _request, response, _next) => {
    response.status(error.status).end()
  }) satisfies express.ErrorRequestHandler)
  await using served = await serve(app)
  expect((await fetch(`${served.url}/broken`)).status).toBe(429)
  expect(failed).toEqual([])
})

test('a handler outside of the request context is told so', () => {
  expect(() => contextOf({} as express.Response)).toThrow('createRequestContext')
})
