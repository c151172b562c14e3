import { expect, test } from '@playwright/test'
import { createManager, createManagerParts } from '#fixtures/doubles/manager-parts.ts'
import type { Cache } from '#optimizations/cache/cache.ts'

test('the metrics hold all three and the process, and a part that cannot be read says so in its place', async () => {
  const { starters, cache } = createManagerParts()
  const mute: Cache = {
    ...cache,
    stats: () => {
      throw new Error('no statistics today')
    },
  }
  const { manager } = createManager({ starters: { ...starters, cache: async () => mute } })
  await manager.start()
  const metrics = manager.metrics()
  expect(metrics.cache).toEqual({ error: 'no statistics today' })
  expect(metrics.database).toMatchObject({ queryPerformance: { queryCount: 3 } })
  expect(metrics.pusher).toMatchObject({ accepted: 0 })
  expect(metrics.optimizationEnabled).toEqual({ cache: true, database: true, pusher: true })
  expect(metrics.process.memory.rssBytes).toBeGreaterThan(1_000_000)
  await manager.stop()
})

test('Prometheus gets each family once, with labels from closed sets', async () => {
  const { manager } = createManager(createManagerParts())
  await manager.start()
  const text = await manager.prometheus()
  const declared = text.match(/^# TYPE (\S+)/gm) ?? []
  expect(new Set(declared).size).toBe(declared.length)
  expect(text).toContain('hotpath_service_initialized{service="cache"} 1')
  expect(text).toContain('hotpath_pusher_events_total{outcome="delivered"} 0')
  expect(text).toContain('hotpath_database_findings_total{kind="leak"} 0')
  expect(text).toContain('hotpath_pusher_rate_limit_waits_total 0')
  expect(text).toContain('hotpath_pusher_batch_fill 0')
  expect(text).toContain('hotpath_pusher_delivery_seconds{quantile="0.95"} 0')
  expect(text).toMatch(/^nodejs_memory_bytes\{kind="resident"\} \d{7,}$/m)
  const again = await manager.prometheus()
  expect(again.split('\n').length).toBe(text.split('\n').length)
  await manager.stop()
})

test('Prometheus gets what can be read when the publisher cannot', async () => {
  const { starters, publisher } = createManagerParts()
  const mute = Object.assign(publisher, {
    stats: () => {
      throw new Error('no statistics today')
    },
  })
  const { manager } = createManager({ starters: { ...starters, publisher: async () => mute } })
  await manager.start()
  const text = await manager.prometheus()
  expect(text).not.toContain('hotpath_pusher_events_total{')
  expect(text).toContain('nodejs_eventloop_delay_seconds{quantile="0.99"}')
  await manager.stop()
})
