import { expect, test } from '@playwright/test'
import express, { Router } from 'express'
import { serve } from '#fixtures/edges/serve.ts'
import { RequestMetrics } from './request-metrics.ts'
import { RequestError } from './request-error.ts'

/** An application with routers in routers, as the real one has, and with ways to fail. */
function createApp() {
  const app = express()
  const metrics = new RequestMetrics(app)
  app.use(metrics.middleware)
  const lessons = Router()
  lessons.get('/', (_request, response) => response.json([]))
  lessons.get('/:id', (request, response) => {
    if (request.params.id === 'broken') throw new RequestError<string>(500, 'broken', 'broken')
    if (request.params.id === 'missing') throw new RequestError<string>(404, 'not_found', 'missing')
    response.json({ route: (request.route as { path: string }).path })
  })
  lessons.get('/:id/never', () => undefined)
  const api = Router()
  api.use('/lessons', lessons)
  app.use('/api/v1', api)
  app.use(((error: RequestError, _request, response, _next) => {
    response.status(error.status).end()
  }) satisfies express.ErrorRequestHandler)
  return { metrics, app }
}

test('requests are counted by the template of their route, whatever the path and however they end', async () => {
  const { metrics, app } = createApp()
  await using served = await serve(app)
  for (const path of ['1', '2', 'a%20b', 'missing', 'broken']) await fetch(`${served.url}/api/v1/lessons/${path}`)
  await fetch(`${served.url}/api/v1/lessons`)
  await expect.poll(() => metrics.snapshot().requests).toBe(6)
  const { routes, errors, refusals, inFlight } = metrics.snapshot()
  expect(routes.map(({ method, route, count }) => [method, route, count])).toEqual([
    ['GET', '/api/v1/lessons/:id', 5],
    ['GET', '/api/v1/lessons', 1],
  ])
  expect({ errors, refusals, inFlight }).toEqual({ errors: 1, refusals: 1, inFlight: 0 })
})

test('a thousand unknown paths and methods are one more label each, not a thousand', async () => {
  const { metrics, app } = createApp()
  await using served = await serve(app)
  for (let at = 0; at < 50; at += 1) await fetch(`${served.url}/nothing/${at}`)
  await fetch(`${served.url}/nothing`, { method: 'PROPFIND' })
  await expect.poll(() => metrics.snapshot().requests).toBe(51)
  expect(metrics.snapshot().routes.map(({ method, route }) => [method, route])).toEqual([
    ['GET', 'none'],
    ['other', 'none'],
  ])
})

test('a handler still finds its route on the request', async () => {
  const { app } = createApp()
  await using served = await serve(app)
  const reply = await fetch(`${served.url}/api/v1/lessons/1`)
  expect(await reply.json()).toEqual({ route: '/:id' })
})

test('a request whose client goes away is counted as aborted and not as answered', async () => {
  const { metrics, app } = createApp()
  await using served = await serve(app)
  const leaving = new AbortController()
  const request = fetch(`${served.url}/api/v1/lessons/1/never`, { signal: leaving.signal })
  await expect.poll(() => metrics.snapshot().inFlight).toBe(1)
  leaving.abort()
  await expect(request).rejects.toThrow()
  await expect.poll(() => metrics.snapshot()).toMatchObject({ inFlight: 0, aborted: 1, requests: 0 })
})

test('Prometheus gets rate, errors and duration of each template', async () => {
  const { metrics, app } = createApp()
  await using served = await serve(app)
  await fetch(`${served.url}/api/v1/lessons/1`)
  await fetch(`${served.url}/api/v1/lessons/broken`)
  await expect.poll(() => metrics.snapshot().requests).toBe(2)
  const text = await metrics.registry.metrics()
  const labels = (status: string): string => `{method="GET",route="/api/v1/lessons/:id",status="${status}"} 1`
  expect(text).toContain(`http_server_request_duration_seconds_count${labels('2xx')}`)
  expect(text).toContain(`http_server_request_duration_seconds_count${labels('5xx')}`)
  expect(text).toContain('http_server_active_requests 0')
})
