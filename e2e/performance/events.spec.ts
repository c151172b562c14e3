import { expect, test } from '#fixtures/test.ts'
import { joinClasses } from '#fixtures/playwright/event-audience.ts'
import { PUSHER_DELAY_MS } from '#fixtures/playwright/measurement-fixtures.ts'

const RATE_PER_SECOND = 60
/** Of each of several students. */
const AT_ONCE = 4

test('an event that people send one another reaches every subscriber within 150 ms, 95 times of 100', async ({
  backend,
  measure,
  traffic,
}) => {
  await using audience = await joinClasses(backend)
  const voidReason = await measure.quiet()
  const run = await measure.load(backend, {
    ...traffic,
    context: audience.contextOf(traffic.context),
    weights: { trigger: 1 },
    id: 'event.single.request',
    title: 'Single event, the request',
    ratePerSecond: RATE_PER_SECOND,
    targets: { p95: '<150ms', throughput: '>20/s' },
  })
  await measure.delivery(await audience.deliveryOf(run), {
    id: 'event.single',
    title: 'Single event, publish to callback',
    voidReason,
    targets: { reach: '100%', duplicates: '<=0', p95: '<150ms' },
    stretch: { p95: '<20ms' },
  })
})

test('events of reports that come four at a time reach their class in order and once, within 150 ms for 95 of 100', async ({
  backend,
  measure,
}) => {
  await using audience = await joinClasses(backend)
  const voidReason = await measure.quiet()
  const delivery = await audience.reportProgress(measure.plan.repetitions / 2, { atOnce: AT_ONCE })
  await measure.delivery(delivery, {
    id: 'event.batched',
    title: 'Batched event, publish to callback',
    voidReason,
    targets: { reach: '100%', ordered: true, duplicates: '<=0', p95: '<150ms' },
    stretch: { p95: '<50ms' },
  })
})

test.describe('with the counters of the server', () => {
  test.skip(({ deployedUrl }) => deployedUrl !== undefined, 'a deployed backend keeps its counters to itself')

  test('on a server of our own, as far from Pusher as from a hosted service, more than half of the events of such reports share their request', async ({
    measure,
    startOwn,
  }) => {
    const server = await startOwn({ name: 'batches', pusherDelayMs: PUSHER_DELAY_MS })
    await using audience = await joinClasses(server)
    const before = await server.sentEvents()
    const { expected, events } = await audience.reportProgress(measure.plan.repetitions / 2, { atOnce: AT_ONCE })
    expect(events).toHaveLength(expected)
    await expect.poll(() => server.pendingEvents()).toBe(0)
    const after = await server.sentEvents()
    expect(after.all - before.all).toBeGreaterThanOrEqual(expected)
    expect((after.inBatches - before.inBatches) / (after.all - before.all)).toBeGreaterThan(0.5)
  })
})

test('a subscription is authorized within 100 ms, 95 times of 100', async ({ backend, measure, traffic }) => {
  await measure.load(backend, {
    ...traffic,
    weights: { authorization: 1 },
    id: 'event.authorization',
    title: 'Channel authorization',
    ratePerSecond: 4 * RATE_PER_SECOND,
    targets: { p95: '<100ms', throughput: '>20/s' },
    stretch: { p95: '<10ms' },
  })
})

test('four events to an authorization: events arrive within 120 ms and so does the signature, 95 times of 100', async ({
  backend,
  measure,
  traffic,
}) => {
  await using audience = await joinClasses(backend)
  const voidReason = await measure.quiet()
  const run = await measure.load(backend, {
    ...traffic,
    context: audience.contextOf(traffic.context),
    weights: { trigger: 80, authorization: 20 },
    id: 'event.mix.request',
    title: 'Events and authorizations, the request',
    ratePerSecond: RATE_PER_SECOND,
    targets: { p95: '<120ms', throughput: '>20/s' },
    stretch: { p95: '<30ms' },
  })
  const delivery = await audience.deliveryOf(run)
  expect(delivery.expected).toBeGreaterThan(0)
  await measure.delivery(delivery, {
    id: 'event.mix',
    title: 'Events and authorizations, publish to callback',
    voidReason,
    targets: { reach: '100%', duplicates: '<=0', p95: '<120ms' },
    stretch: { p95: '<30ms' },
  })
})
