import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { expect, test } from '@playwright/test'
import express from 'express'
import { serve } from '#fixtures/edges/serve.ts'
import { createDrain } from './drain.ts'

/** An application with a request that lasts until it is let go. */
function createApp() {
  const drain = createDrain()
  const { promise: letGo, resolve } = Promise.withResolvers<void>()
  const begun: string[] = []
  const app = express()
  app.use(drain.middleware)
  app.get('/slow', async (_request, response) => {
    begun.push('slow')
    await letGo
    response.json({ done: true })
  })
  app.get('/', (_request, response) => response.json({ ok: true }))
  return { app, drain, begun, letGo: resolve }
}

test('during the grace the listener answers, and tells every client to take its next request elsewhere', async () => {
  const { app, drain, begun, letGo } = createApp()
  await using served = await serve(app)
  const slow = fetch(`${served.url}/slow`)
  await expect.poll(() => begun).toEqual(['slow'])
  const finished = drain.finish(served.server, { graceMs: 400, timeoutMs: 5_000 })
  expect(drain.draining).toBe(true)
  const reply = await fetch(served.url)
  expect(reply.status).toBe(200)
  expect(reply.headers.get('connection')).toBe('close')
  letGo()
  // It came before the drain began, and its connection must not be reused either.
  expect((await slow).headers.get('connection')).toBe('close')
  expect(await finished).toBe('drained')
  await expect(fetch(served.url)).rejects.toThrow()
})

test('a request that came on a connection accepted at the last moment is answered', async () => {
  const { app, drain } = createApp()
  await using served = await serve(app)
  const socket = connect(Number(new URL(served.url).port), '127.0.0.1')
  await once(socket, 'connect')
  const finished = drain.finish(served.server, { graceMs: 0, timeoutMs: 5_000 })
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  const [answer] = (await once(socket, 'data')) as [Buffer]
  expect(String(answer)).toMatch(/^HTTP\/1.1 200 /)
  expect(await finished).toBe('drained')
})

test('an idle connection does not keep the process from ending', async () => {
  const { app, drain } = createApp()
  await using served = await serve(app)
  const agent = new Agent({ keepAlive: true })
  await new Promise<void>((resolve) => {
    request(served.url, { agent }, (response) => response.resume().on('end', resolve)).end()
  })
  expect(await drain.finish(served.server, { graceMs: 0, timeoutMs: 5_000 })).toBe('drained')
  agent.destroy()
})

test('what does not end in time is cut off', async () => {
  const { app, drain, begun } = createApp()
  await using served = await serve(app)
  const slow = fetch(`${served.url}/slow`)
  await expect.poll(() => begun).toEqual(['slow'])
  expect(await drain.finish(served.server, { graceMs: 0, timeoutMs: 50 })).toBe('cut off')
  await expect(slow).rejects.toThrow()
})
