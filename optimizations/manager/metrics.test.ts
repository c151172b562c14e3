import { expect, test } from '@playwright/test'
import { createManager, createManagerParts } from '#fixtures/doubles/manager-parts.ts'
import { startPublisherRig } from '#fixtures/doubles/pusher-rig.ts'
import type { Cache } from '#optimizations/cache/cache.ts'
import type { PublisherStats } from '#optimizations/pusher/publisher-statistics.ts'
import { StandInPublisher } from './stand-in-publisher.ts'

const NO_LATENCY = { count: 0, meanMs: 0, maxMs: 0, p50Ms: 0, p95Ms: 0, p99Ms: 0 }

test('the metrics hold all three and the process, and a part that cannot be read says so in its place', async () => {
  const { starters, cache, database } = createManagerParts()
  const { publisher, clock } = await startPublisherRig()
  const mute: Cache = {
    ...cache,
    stats: () => {
      throw new Error('no statistics today')
    },
  }
  const { manager } = createManager({
    starters: { ...starters, cache: async () => mute, publisher: async () => publisher },
  })
  await manager.start()
  const receipt = await publisher.publish('news', 'said', {})
  await clock.advance(100)
  await receipt.settled
  const metrics = manager.metrics()
  expect(metrics.cache).toEqual({ error: 'no statistics today' })
  expect(metrics.database).toEqual(database.stats())
  expect(metrics.pusher).toMatchObject({ accepted: 1, requests: 1, outcomes: { delivered: 1 } })
  expect(metrics.optimizationEnabled).toEqual({ cache: true, database: true, pusher: true })
  expect(metrics.process.memory.rssBytes).toBeGreaterThan(1_000_000)
  await manager.stop()
})

/** No number twice, so that a family that reads the wrong one shows. */
function distinctStats(): PublisherStats {
  const publishLatency = { ...NO_LATENCY, p50Ms: 1_000, p95Ms: 2_000, p99Ms: 3_000 }
  const deliveryLatency = { ...NO_LATENCY, p50Ms: 4_000, p95Ms: 5_000, p99Ms: 6_000 }
  return {
    ...new StandInPublisher(() => '').stats(),
    outcomes: { delivered: 11, coalesced: 12, refused: 13, expired: 14, dead_lettered: 15, released: 16 },
    connectionErrors: 21,
    rateLimitHits: 22,
    retries: 23,
    publishLatency,
    deliveryLatency,
    droppedByReason: { too_large: 31 },
    rateLimitWaits: 32,
    batchFill: 33.5,
    accepted: 34,
    requests: 35,
    pending: 36,
    backgroundPending: 37,
    webhooks: { applied: 41, repeated: 42, unshared: 43, outdated: 44 },
    queuedBytes: 51,
    queueAgeMs: 52_000,
  }
}

test('Prometheus gets every number of the publisher under its own name, in base units', async () => {
  const { starters, publisher } = createManagerParts()
  const counted = Object.assign(publisher, { stats: distinctStats })
  const { manager } = createManager({ starters: { ...starters, publisher: async () => counted } })
  await manager.start()
  const lines = (await manager.prometheus()).split('\n').filter((line) => line.startsWith('hotpath_pusher_'))
  expect(lines.toSorted()).toEqual(
    [
      'events_total{outcome="delivered"} 11',
      'events_total{outcome="coalesced"} 12',
      'events_total{outcome="refused"} 13',
      'events_total{outcome="expired"} 14',
      'events_total{outcome="dead_lettered"} 15',
      'events_total{outcome="released"} 16',
      'faults_total{kind="connection"} 21',
      'faults_total{kind="rate_limited"} 22',
      'faults_total{kind="retried"} 23',
      'publish_seconds{quantile="0.5"} 1',
      'publish_seconds{quantile="0.95"} 2',
      'publish_seconds{quantile="0.99"} 3',
      'delivery_seconds{quantile="0.5"} 4',
      'delivery_seconds{quantile="0.95"} 5',
      'delivery_seconds{quantile="0.99"} 6',
      'events_dropped_total{reason="too_large"} 31',
      'rate_limit_waits_total 32',
      'batch_fill 33.5',
      'events_accepted_total 34',
      'requests_total 35',
      'queue_events 36',
      'background_events 37',
      'webhooks_total{kind="applied"} 41',
      'webhooks_total{kind="repeated"} 42',
      'webhooks_total{kind="unshared"} 43',
      'webhooks_total{kind="outdated"} 44',
      'queue_bytes 51',
      'queue_age_seconds 52',
    ]
      .map((line) => `hotpath_pusher_${line}`)
      .toSorted(),
  )
  await manager.stop()
})

test('Prometheus gets each family once, and as many lines at the second scrape', async () => {
  const { manager } = createManager(createManagerParts())
  await manager.start()
  const text = await manager.prometheus()
  const declared = text.match(/^# TYPE (\S+)/gm) ?? []
  expect(declared.length).toBeGreaterThan(20)
  expect(new Set(declared).size).toBe(declared.length)
  expect(text).toContain('hotpath_service_initialized{service="cache"} 1')
  expect(text).toContain('hotpath_database_findings_total{kind="leak"} 0')
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
