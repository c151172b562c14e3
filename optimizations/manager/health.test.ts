import { expect, test } from '@playwright/test'
import type { Health, HealthStatus } from '#optimizations/kernel/health.ts'
import { combineHealth } from './health.ts'

const answer = (status: HealthStatus) => async (): Promise<Health> => ({
  status,
  reasons: status === 'healthy' ? [] : ['because'],
  roundTripMs: 1,
})
const healthy = answer('healthy')
const TIMEOUT_MS = 50

for (const [name, probes, expected] of [
  ['all are healthy', { cache: healthy, database: healthy, pusher: healthy }, 'healthy'],
  ['the cache is gone', { cache: answer('unhealthy'), database: healthy, pusher: healthy }, 'degraded'],
  ['Pusher is gone', { cache: healthy, database: healthy, pusher: answer('unhealthy') }, 'degraded'],
  ['the database is degraded', { cache: healthy, database: answer('degraded'), pusher: healthy }, 'degraded'],
  ['the database is gone', { cache: healthy, database: answer('unhealthy'), pusher: healthy }, 'unhealthy'],
] as const) {
  test(`the whole is ${expected} when ${name}`, async () => {
    expect((await combineHealth(probes, TIMEOUT_MS)).status).toBe(expected)
  })
}

test('every reason names its service', async () => {
  const health = await combineHealth(
    { cache: answer('degraded'), database: healthy, pusher: answer('unhealthy') },
    TIMEOUT_MS,
  )
  expect(health.reasons).toEqual(['cache: because', 'pusher: because'])
})

test('a probe that hangs or throws is an unhealthy service, not an error', async () => {
  const health = await combineHealth(
    { cache: () => new Promise(() => {}), database: healthy, pusher: () => Promise.reject(new Error('boom')) },
    TIMEOUT_MS,
  )
  expect(health.services.cache.status).toBe('unhealthy')
  expect(health.services.cache.reasons[0]).toContain(`${TIMEOUT_MS} ms`)
  expect(health.services.pusher.reasons).toEqual(['boom'])
  expect(health.status).toBe('degraded')
})
