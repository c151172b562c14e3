import { expect, test } from '@playwright/test'

import { MemoryOutbox } from '#fixtures/doubles/pusher-memory-outbox.ts'
import { dataOf, startPublisherRig } from '#fixtures/doubles/pusher-rig.ts'
import { SteppingClock } from '#fixtures/doubles/stepping-clock.ts'
import { startPublisher } from './start-publisher.ts'

const counts = (length: number): number[] => Array.from({ length }, (_, n) => n)

test.describe('stopping', () => {
  test('sends what is queued first, without waiting for batches to fill', async () => {
    const { clock, transport, publisher, faults } = await startPublisherRig({ latencyMs: 5, batchTimeoutMs: 10_000 })
    for (const n of counts(33)) await publisher.publish(`channel-${n % 3}`, 'e', n)
    const stopping = publisher.stop(1_000)
    await clock.advance(200)
    expect(await stopping).toEqual({ delivered: 33, abandoned: 0 })
    expect(transport.delivered).toHaveLength(33)
    expect(faults).toEqual([])
  })

  test('gives up at its deadline, and says how many events were abandoned', async () => {
    const { clock, publisher } = await startPublisherRig({ latencyMs: 400, poolSize: 1 })
    const receipts = await publisher.publishMany(counts(30).map((n) => ({ channel: 'a', event: 'e', data: n })))
    const stopping = publisher.stop(500)
    await clock.advance(600)
    expect(await stopping).toEqual({ delivered: 10, abandoned: 20 })
    const ends = await Promise.all(receipts.map((receipt) => receipt.settled))
    expect(ends.slice(10).map(({ outcome, reason }) => `${outcome} ${reason}`)).toEqual(
      counts(20).map(() => 'dead_lettered stopped'),
    )
    expect(publisher.stats()).toMatchObject({ pending: 0, queuedBytes: 0 })
  })

  test('is not held up by a Pusher that is away, a pause that it asked for, or a limit', async () => {
    const { clock, transport, publisher } = await startPublisherRig({ callsPerSecond: 1 })
    transport.script = () => ({ kind: 'throttled', reason: 'http_429', retryAfterMs: 300_000 })
    await publisher.publishMany(counts(5).map((n) => ({ channel: 'a', event: 'e', data: n })))
    await clock.advance(10)
    const stopping = publisher.stop(100)
    await clock.advance(101)
    expect(await stopping).toEqual({ delivered: 0, abandoned: 5 })
  })

  test('once is enough: later calls answer the same, and nothing more is accepted', async () => {
    const { publisher } = await startPublisherRig()
    const [first, second] = [publisher.stop(), publisher.stop()]
    expect(await first).toBe(await second)
    await expect(publisher.publish('a', 'e', 1)).rejects.toMatchObject({ code: 'stopped', retryable: false })
    expect(publisher.stats().droppedByReason).toEqual({ stopped: 1 })
  })

  test('happens at the end of the block that holds the publisher', async () => {
    const rig = await startPublisherRig()
    {
      await using publisher = rig.publisher
      await publisher.publish('a', 'e', 1)
    }
    expect(dataOf(rig.transport.delivered)).toEqual([1])
  })
})

test.describe('statistics', () => {
  test('count each event once, under the names that the specification gives', async () => {
    const { clock, transport, publisher } = await startPublisherRig({ latencyMs: 4 })
    transport.script = ({ events }) =>
      dataOf(events).includes('bad') ? { kind: 'refused', scope: 'event', reason: 'http_400' } : undefined
    await publisher.publish('single', 'e', 1)
    await clock.advance(10)
    await publisher.publishMany(['good', 'good', 'bad'].map((data) => ({ channel: 'many', event: 'e', data })))
    await clock.advance(50)
    expect(publisher.stats()).toMatchObject({
      eventsSent: 3,
      batchEventsSent: 2,
      failedEvents: 1,
      connectionErrors: 0,
      rateLimitHits: 0,
      cacheHits: 0,
      successRate: 0.75,
      popularChannels: [
        { channel: 'many', eventsSent: 2 },
        { channel: 'single', eventsSent: 1 },
      ],
      accepted: 4,
      pending: 0,
      outcomes: { delivered: 3, dead_lettered: 1 },
      droppedByReason: { http_400: 1 },
      requests: 4,
      poolSize: 5,
      batchConfig: { batchSize: 10, batchTimeoutMs: 5 },
      breaker: 'closed',
    })
    const { avgLatencyMs, totalLatencyMs, publishLatency, batchFill, requestsPerEvent } = publisher.stats()
    expect(avgLatencyMs).toBeCloseTo(totalLatencyMs / 3)
    expect(publishLatency.count).toBe(3)
    expect(batchFill).toBeCloseTo((1 + 3 + 2 + 1) / 4)
    expect(requestsPerEvent).toBeCloseTo(4 / 3)
  })

  test('of a publisher that did nothing are zero', async () => {
    const { publisher } = await startPublisherRig()
    expect(publisher.stats()).toMatchObject({ successRate: 0, avgLatencyMs: 0, requestsPerEvent: 0, queueAgeMs: 0 })
  })

  test('tell how long the oldest event has waited, and how long deliveries took', async () => {
    const { clock, publisher } = await startPublisherRig({ latencyMs: 1_000, poolSize: 1 })
    await publisher.publish('a', 'e', 1)
    await clock.advance(1)
    await publisher.publish('b', 'e', 2)
    await clock.advance(400)
    publisher.recordDelivery(12)
    expect(publisher.stats()).toMatchObject({ queueAgeMs: 400, deliveryLatency: { count: 1 } })
    expect(publisher.stats().deliveryLatency.p50Ms).toBeCloseTo(12, 1)
  })

  test('keep count of a thousand channels at most', async () => {
    const { clock, publisher } = await startPublisherRig()
    await publisher.publishMany(counts(1_500).map((n) => ({ channel: `channel-${n}`, event: 'e', data: n })))
    await clock.advance(100)
    expect(publisher.stats().popularChannels).toHaveLength(10)
    expect(publisher.stats().eventsSent).toBe(1_500)
  })

  test('tell when the rate limit made events wait, and the limit holds', async () => {
    const { clock, transport, publisher } = await startPublisherRig({ callsPerSecond: 100 })
    await publisher.publishMany(counts(250).map((n) => ({ channel: `channel-${n}`, event: 'e', data: n })))
    await clock.advance(500)
    expect(transport.delivered.length).toBeLessThanOrEqual(150)
    await clock.advance(1_100)
    expect(transport.delivered).toHaveLength(250)
    expect(publisher.stats().rateLimitWaits).toBeGreaterThan(0)
    expect(publisher.stats().requestsPerEvent).toBeLessThanOrEqual(0.11)
  })

  test('count a multi-channel event once a channel, also in the rate limit', async () => {
    const { clock, transport, publisher } = await startPublisherRig({ callsPerSecond: 100 })
    const channels = counts(100).map((n) => `channel-${n}`)
    await publisher.publish(channels, 'e', 1)
    await publisher.publish('late', 'e', 2)
    await clock.advance(5)
    expect(transport.delivered).toHaveLength(100)
    await clock.advance(20)
    expect(publisher.stats()).toMatchObject({ accepted: 101, eventsSent: 101, requests: 2 })
  })
})

test.describe('health', () => {
  test('is healthy when Pusher answers', async () => {
    const { publisher } = await startPublisherRig()
    expect(await publisher.health()).toMatchObject({ status: 'healthy', reasons: [], details: { pending: 0 } })
  })

  for (const [what, answer, reason] of [
    ['refuses', { status: 401, fault: undefined }, 'app 1: status 401'],
    ['is not there', { status: 0, fault: 'econnrefused' }, 'app 1: econnrefused'],
    ['says nothing', { status: 0, fault: undefined }, 'app 1: no answer'],
  ] as const) {
    test(`is unhealthy when Pusher ${what}`, async () => {
      const { transport, publisher } = await startPublisherRig()
      transport.answer = { body: '', retryAfterMs: undefined, ...answer }
      expect(await publisher.health()).toMatchObject({ status: 'unhealthy', reasons: [reason] })
    })
  }

  for (const body of ['', '<html>It works!</html>', '{}', '{"ok":true}', '{"error":"no"}']) {
    test(`is unhealthy when another server answers 200 with ${body || 'nothing'}`, async () => {
      const { transport, publisher } = await startPublisherRig()
      transport.answer = { status: 200, body, retryAfterMs: undefined, fault: undefined }
      const reasons = ['app 1: what answers is not Pusher']
      expect(await publisher.health()).toMatchObject({ status: 'unhealthy', reasons })
    })
  }

  test('is unhealthy when Pusher does not answer in time', async () => {
    const { transport, publisher } = await startPublisherRig({ healthTimeoutMs: 20 })
    transport.request = () => new Promise(() => undefined)
    const health = await publisher.health()
    expect(health).toMatchObject({ status: 'unhealthy', reasons: ['app 1 did not finish within 20 ms'] })
    expect(health).not.toHaveProperty('roundTripMs')
  })

  test('is degraded while the breaker is open, the queue is nearly full, or Pusher asked for less', async () => {
    const { clock, transport, publisher } = await startPublisherRig({ maxQueuedEvents: 10, failureThreshold: 1 })
    transport.script = () => ({ kind: 'throttled', reason: 'http_429', retryAfterMs: 10 })
    await publisher.publishMany(counts(9).map((n) => ({ channel: `channel-${n}`, event: 'e', data: n })))
    await clock.advance(5)
    transport.script = () => ({ kind: 'unavailable', reason: 'reset' })
    await clock.advance(20)
    const { status, reasons } = await publisher.health()
    expect(status).toBe('degraded')
    expect(reasons).toEqual([
      'app 1: breaker open',
      'app 1: queue 90 % full',
      expect.stringMatching(/^app 1: slowed down by 429 to \d+ events\/s$/),
    ])
  })

  test('is degraded while one of two apps is away', async () => {
    const { transport, publisher } = await startPublisherRig({ moreApps: [{ appId: '2', key: 'k', secret: 's' }] })
    const [usual, asked] = [transport.answer, { count: 0 }]
    transport.request = async () => ((asked.count += 1) === 1 ? usual : { ...usual, status: 500 })
    expect(await publisher.health()).toMatchObject({ status: 'degraded', reasons: ['app 2: status 500'] })
    expect(publisher.stats().breaker).toBe('closed')
  })

  test('tells of an outbox that fails or that is left behind', async () => {
    const clock = new SteppingClock(1_700_000_000_000)
    const outbox = new MemoryOutbox(clock)
    const { publisher } = await startPublisherRig({ clock, outbox, latencyMs: 1_000_000 })
    outbox.append('a', 'e', 1)
    await clock.advance(10)
    expect(await publisher.health()).toMatchObject({ status: 'healthy', details: { outbox: { waiting: 1 } } })
    outbox.faults.depth = [new Error('database is away')]
    expect(await publisher.health()).toMatchObject({ status: 'degraded', reasons: ['outbox: database is away'] })
    await clock.advance(60_000)
    expect(await publisher.health()).toMatchObject({
      status: 'degraded',
      reasons: ['outbox: oldest event waits for 60 s'],
    })
  })
})

test('a publisher starts although nothing listens where Pusher should be', async () => {
  const app = { appId: '1', key: 'k', secret: 's', host: '127.0.0.1', port: 1 }
  await using publisher = await startPublisher({ app, retryBaseMs: 1, drainDeadlineMs: 50 })
  const receipt = await publisher.publish('a', 'e', 1)
  expect(await publisher.health()).toMatchObject({ status: 'unhealthy' })
  expect(publisher.stats()).toMatchObject({ accepted: 1, pending: 1, rateLimit: { callsPerSecond: 100 } })
  await publisher.stop()
  expect(await receipt.settled).toMatchObject({ outcome: 'dead_lettered' })
})
