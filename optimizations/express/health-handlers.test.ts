import { expect, test } from '@playwright/test'
import express from 'express'
import { serve } from '#fixtures/edges/serve.ts'
import { createHealthHandlers, type HealthHandlersOptions, type ReportedHealth } from './health-handlers.ts'

const DEGRADED: ReportedHealth = { status: 'degraded', reasons: ['cache: redis.internal is away'] }

async function ask(options: Partial<HealthHandlersOptions>, path = '/ready') {
  const health = createHealthHandlers({ health: async () => DEGRADED, drain: { draining: false }, ...options })
  const app = express()
  app.set('env', 'test')
  app.get('/live', health.live)
  app.get('/ready', health.ready)
  await using served = await serve(app)
  const reply = await fetch(`${served.url}${path}`, { headers: { 'x-inspector': 'yes' } })
  const text = await reply.text()
  return { status: reply.status, body: text.startsWith('{') ? (JSON.parse(text) as unknown) : text }
}

test('a degraded process is ready, and says no reason to who may not inspect it', async () => {
  expect(await ask({})).toEqual({ status: 200, body: { status: 'degraded' } })
})

test('whoever may inspect it is shown the reasons', async () => {
  const mayInspect = (request: express.Request) => request.get('x-inspector') === 'yes'
  expect(await ask({ mayInspect })).toEqual({ status: 200, body: DEGRADED })
})

for (const [what, health] of [
  ['is unhealthy', async () => ({ status: 'unhealthy', reasons: ['database: away'] })],
  ['cannot be asked', () => Promise.reject(new Error('no answer'))],
] as const satisfies readonly (readonly [string, HealthHandlersOptions['health']])[]) {
  test(`a process of which a service ${what} is not ready, and alive all the same`, async () => {
    expect(await ask({ health })).toEqual({ status: 503, body: { status: 'unhealthy' } })
    expect(await ask({ health }, '/live')).toEqual({ status: 200, body: { status: 'healthy' } })
  })
}

test('a process that drains is not ready, and asks nobody for it', async () => {
  const asked: string[] = []
  const health = async () => {
    asked.push('health')
    return DEGRADED
  }
  const drain = { draining: true }
  expect(await ask({ health, drain })).toEqual({ status: 503, body: { status: 'unhealthy' } })
  expect(await ask({ health, drain }, '/live')).toEqual({ status: 200, body: { status: 'healthy' } })
  expect(asked).toEqual([])
})

test('a fault of who decides what is shown is an error of its request', async () => {
  const mayInspect = () => {
    throw new Error('broken')
  }
  expect((await ask({ mayInspect })).status).toBe(500)
})
