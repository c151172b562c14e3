import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from '@playwright/test'
import express from 'express'
import { serve } from '#fixtures/edges/serve.ts'
import { parseServerTiming } from '#measurement/load/server-timing.ts'
import { CurrentRequest } from '#optimizations/manager/current-request.ts'
import { createRequestContext } from './request-context.ts'
import { RequestTimer } from './request-timer.ts'

test('work of a phase that overlaps itself counts once', async () => {
  const timer = new RequestTimer()
  timer.enter('db')
  timer.enter('db')
  await sleep(20)
  timer.leave('db')
  await sleep(20)
  timer.leave('db')
  expect(timer.phaseMs('db')).toBeLessThanOrEqual(timer.totalMs)
  expect(timer.phaseMs('db')).toBeGreaterThan(30)
  expect(timer.phaseMs('cache')).toBe(0)
})

test('a phase that is still under way counts up to now', async () => {
  const timer = new RequestTimer()
  timer.enter('cache')
  await sleep(10)
  expect(timer.phaseMs('cache')).toBeGreaterThan(5)
})

test('every reply says where its time went, each its own, also one without a body', async () => {
  const requests = new CurrentRequest()
  const app = express()
  app.use(createRequestContext({ timeoutMs: 10_000, currentRequest: requests }))
  app.get('/:ms', async (request, response) => {
    requests.scope?.timer?.enter('db')
    await sleep(Number(request.params.ms))
    requests.scope?.timer?.leave('db')
    response.status(204).end()
  })
  await using served = await serve(app)
  const replies = await Promise.all(['/0', '/60', '/nothing/here'].map((path) => fetch(`${served.url}${path}`)))
  const [short, long, missing] = replies.map(({ headers }) => parseServerTiming(headers.get('server-timing') ?? ''))
  expect([...(short?.keys() ?? [])]).toEqual(['cache', 'db', 'total'])
  expect(long?.get('db')).toBeGreaterThan(50)
  expect(long?.get('total')).toBeGreaterThanOrEqual(long?.get('db') ?? Infinity)
  expect(short?.get('db')).toBeLessThan(50)
  expect(missing?.get('db')).toBe(0)
})

test('outside of a request nobody asks', () => {
  const requests = new CurrentRequest()
  expect(requests.scope).toBeUndefined()
  expect(requests.asker).toEqual({})
})
