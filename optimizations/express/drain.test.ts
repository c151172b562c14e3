import { Agent, request } from 'node:http'
import { expect, test } from '@playwright/test'
import express from 'express'
import { RawConnection } from '#fixtures/edges/raw-connection.ts'
import { serve } from '#fixtures/edges/serve.ts'
import { createDrain } from './drain.ts'
import { createRequestContext } from './request-context.ts'

const GET = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n'
const statuses = ({ replies }: RawConnection): number[] => replies.map(({ status }) => status)

/** An application with a request that lasts until it is let go. */
function createApp() {
  const drain = createDrain()
  const { promise: letGo, resolve } = Promise.withResolvers<void>()
  const begun: string[] = []
  const app = express()
  app.use(createRequestContext({ timeoutMs: 30_000 }))
  app.use(drain.middleware)
  app.get('/slow', async (_request, response) => {
    begun.push('slow')
    await letGo
    response.json({ done: true })
  })
  app.post('/', express.json(), (_request, response) => response.json({ read: true }))
  app.get('/', (_request, response) => {
    begun.push('/')
    response.json({ ok: true })
  })
  return { app, drain, begun, letGo: resolve }
}

/** Ends a drain with no grace, and tells when its listener closed. */
function closing() {
  const { promise: closed, resolve } = Promise.withResolvers<void>()
  return { closed, options: { graceMs: 0, timeoutMs: 5_000, onListenerClosed: resolve } }
}

test('during the grace kept connections are kept; once the listener is closed each reply is the last of its connection', async () => {
  const { app, drain, begun, letGo } = createApp()
  await using served = await serve(app)
  const slow = fetch(`${served.url}/slow`)
  await expect.poll(() => begun).toEqual(['slow'])
  const { closed, options } = closing()
  const finished = drain.finish(served.http, { ...options, graceMs: 200 })
  expect(drain.draining).toBe(true)
  const reply = await fetch(served.url)
  expect(reply.status).toBe(200)
  expect(reply.headers.get('connection')).toBe('keep-alive')
  await closed
  letGo()
  expect((await slow).headers.get('connection')).toBe('close')
  expect(await finished).toBe('drained')
  await expect(fetch(served.url)).rejects.toThrow()
})

test('a request that came on a connection accepted at the last moment is answered', async () => {
  const { app, drain } = createApp()
  await using served = await serve(app)
  using connection = await RawConnection.open(served.url)
  const finished = drain.finish(served.http, closing().options)
  expect(await connection.exchange(GET)).toMatchObject({ status: 200 })
  expect(await finished).toBe('drained')
})

test('whoever stands in the backlog when the listener is to be closed is answered, also when it has come back again and again', async () => {
  const { app, drain, begun } = createApp()
  await using served = await serve(app)
  const ends: unknown[] = []
  const clients = Array.from({ length: 20 }, async () => {
    for (;;) {
      const connection = await RawConnection.open(served.url).catch(() => undefined)
      // Refused: nobody has taken the connection, and nothing was sent.
      if (connection === undefined) return
      const reply = await connection.exchange('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
      if (typeof reply === 'string') ends.push(reply)
    }
  })
  await expect.poll(() => begun.length).toBeGreaterThan(200)
  expect(await drain.finish(served.http, closing().options)).toBe('drained')
  await Promise.all(clients)
  expect(ends).toEqual([])
})

test('a request on a kept connection after the listener is closed is answered; the connection is closed when it stays quiet', async () => {
  const { app, drain } = createApp()
  await using served = await serve(app)
  using asking = await RawConnection.open(served.url)
  using silent = await RawConnection.open(served.url)
  for (const connection of [asking, silent]) await connection.exchange(GET)
  const { closed, options } = closing()
  const finished = drain.finish(served.http, options)
  await closed
  expect(await asking.exchange(GET)).toMatchObject({ status: 200, headers: { connection: 'close' } })
  expect(await silent.ended).toBe('closed')
  expect(statuses(silent)).toEqual([200])
  expect(await finished).toBe('drained')
})

test('a half-sent head is told that the server stops, byte by byte too, and is not executed when the rest of it comes', async () => {
  const { app, drain, begun } = createApp()
  await using served = await serve(app)
  using half = await RawConnection.open(served.url, { keepsSending: true })
  using slow = await RawConnection.open(served.url)
  using kept = await RawConnection.open(served.url)
  await kept.exchange(GET)
  half.send('GET / HTTP/1.1\r\nho')
  kept.send('GET / HT')
  slow.send('GET / HTTP/1.1\r\nx: ')
  const dripping = setInterval(() => slow.send('x'), 20)
  const finished = drain.finish(served.http, closing().options)
  await expect.poll(() => statuses(half)).toEqual([503])
  half.send('st: x\r\n\r\n')
  half.finish()
  for (const connection of [half, slow, kept]) expect(await connection.ended).toBe('closed')
  clearInterval(dripping)
  expect(JSON.parse(half.replies[0]?.body ?? '')).toMatchObject({ status: 503, code: 'shutting_down' })
  expect([half, slow, kept].map(statuses)).toEqual([[503], [503], [200, 503]])
  expect(await finished).toBe('drained')
  expect(begun).toEqual(['/'])
})

test('an idle connection does not keep the process from ending', async () => {
  const { app, drain } = createApp()
  await using served = await serve(app)
  using silent = await RawConnection.open(served.url)
  const agent = new Agent({ keepAlive: true })
  await new Promise<void>((resolve) => {
    request(served.url, { agent }, (response) => response.resume().on('end', resolve)).end()
  })
  expect(await drain.finish(served.http, closing().options)).toBe('drained')
  agent.destroy()
  expect(await silent.ended).toBe('closed')
})

test('what does not end in time gets a whole reply that says so: a handler, and a body that does not come', async () => {
  const { app, drain, begun } = createApp()
  await using served = await serve(app)
  using slow = await RawConnection.open(served.url)
  using upload = await RawConnection.open(served.url)
  slow.send('GET /slow HTTP/1.1\r\nhost: x\r\n\r\n')
  upload.send('POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"a":')
  await expect.poll(() => begun).toEqual(['slow'])
  expect(await drain.finish(served.http, { graceMs: 0, timeoutMs: 50 })).toBe('cut off')
  for (const connection of [slow, upload]) {
    expect(await connection.ended).toBe('closed')
    expect(connection.replies).toMatchObject([{ status: 503, headers: { connection: 'close' } }])
    expect(JSON.parse(connection.replies[0]?.body ?? '')).toMatchObject({ code: 'shutting_down' })
  }
})

test('a body that arrives before the time is over is answered as ever', async () => {
  const { app, drain } = createApp()
  await using served = await serve(app)
  using upload = await RawConnection.open(served.url)
  const { closed, options } = closing()
  upload.send('POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{"a":')
  await expect.poll(() => served.http.connections.all().map(({ state }) => state)).toEqual(['busy'])
  const finished = drain.finish(served.http, options)
  await closed
  expect(await upload.exchange('1}')).toMatchObject({ status: 200, headers: { connection: 'close' } })
  expect(await finished).toBe('drained')
})
