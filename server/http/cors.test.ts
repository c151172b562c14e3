import { expect, test } from '@playwright/test'
import express from 'express'
import { serve } from '#fixtures/edges/serve.ts'
import { createCors } from './cors.ts'

function createApp(origins: readonly string[]) {
  const app = express()
  app.use(createCors(origins))
  app.get('/', (_request, response) => response.json({ ok: true }))
  return app
}
const SCHOOL = 'https://school.example'
const PREFLIGHT = { 'access-control-request-method': 'PUT', 'access-control-request-headers': 'authorization' }

test('without origins there is no word of CORS in a reply', async () => {
  await using served = await serve(createApp([]))
  const reply = await fetch(served.url, { headers: { origin: SCHOOL } })
  expect(reply.headers.get('access-control-allow-origin')).toBeNull()
  expect(reply.headers.get('vary')).toBeNull()
})

test('a listed origin may read the reply and the headers that matter', async () => {
  await using served = await serve(createApp([SCHOOL]))
  const { headers } = await fetch(served.url, { headers: { origin: SCHOOL } })
  expect(headers.get('access-control-allow-origin')).toBe(SCHOOL)
  expect(headers.get('access-control-expose-headers')).toContain('etag')
  expect(headers.get('access-control-allow-credentials')).toBeNull()
  expect(headers.get('vary')).toBe('Origin')
})

for (const origin of ['https://evil.example', 'https://school.example.evil.example', 'http://school.example', 'null']) {
  test(`the origin ${origin} may not, also when it asks first`, async () => {
    await using served = await serve(createApp([SCHOOL]))
    const reply = await fetch(served.url, { headers: { origin } })
    expect(reply.headers.get('access-control-allow-origin')).toBeNull()
    expect(reply.headers.get('vary')).toBe('Origin')
    const preflight = await fetch(served.url, { method: 'OPTIONS', headers: { origin, ...PREFLIGHT } })
    expect(preflight.headers.get('access-control-allow-methods')).toBeNull()
  })
}

test('a browser that asks first is told what it may send', async () => {
  await using served = await serve(createApp([SCHOOL]))
  const reply = await fetch(served.url, { method: 'OPTIONS', headers: { origin: SCHOOL, ...PREFLIGHT } })
  expect(reply.status).toBe(204)
  expect(reply.headers.get('access-control-allow-methods')).toContain('PUT')
  expect(reply.headers.get('access-control-allow-headers')).toContain('authorization')
  expect(Number(reply.headers.get('access-control-max-age'))).toBeGreaterThan(0)
})

test('an OPTIONS that is no preflight is answered by the application', async () => {
  await using served = await serve(createApp([SCHOOL]))
  const reply = await fetch(served.url, { method: 'OPTIONS', headers: { origin: SCHOOL } })
  expect(reply.headers.get('allow')).toContain('GET')
})
