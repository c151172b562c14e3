import { expect, test } from '@playwright/test'

import { dataOf, startPublisherRig } from '#fixtures/doubles/pusher-rig.ts'

const names = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

test('an event on an idle publisher is sent before any timer fires', async () => {
  const { clock, transport, publisher } = await startPublisherRig({ latencyMs: 10 })
  await publisher.publish('a', 'created', { n: 1 })
  await clock.advance(0)
  expect(transport.requests).toHaveLength(1)
})

test('what is published in one turn of an idle publisher shares a request', async () => {
  const { clock, transport, publisher } = await startPublisherRig()
  for (const n of names(3)) void publisher.publish(`channel-${n}`, 'created', n)
  await clock.advance(0)
  expect(transport.requests.map(({ events }) => events.length)).toEqual([3])
})

test('events gather while a request is under way and leave together when it ends', async () => {
  const { clock, transport, publisher } = await startPublisherRig({ latencyMs: 3, batchTimeoutMs: 50 })
  await publisher.publish('first', 'created', 0)
  await clock.advance(1)
  for (const n of names(5)) await publisher.publish(`channel-${n}`, 'created', n)
  await clock.advance(1)
  expect(transport.requests).toHaveLength(1)
  await clock.advance(1)
  expect(transport.requests.map(({ events }) => events.length)).toEqual([1, 5])
})

test('a batch that is full does not wait for the request under way', async () => {
  const { clock, transport, publisher } = await startPublisherRig({ latencyMs: 100, batchTimeoutMs: 50 })
  await publisher.publish('first', 'created', 0)
  await clock.advance(1)
  for (const n of names(10)) await publisher.publish(`channel-${n}`, 'created', n)
  await clock.advance(0)
  expect(transport.requests.map(({ events }) => events.length)).toEqual([1, 10])
})

test('a batch that does not fill waits for batchTimeoutMs and no longer', async () => {
  const { clock, transport, publisher } = await startPublisherRig({ latencyMs: 100, batchTimeoutMs: 5 })
  await publisher.publish('first', 'created', 0)
  await clock.advance(1)
  await publisher.publish('second', 'created', 0)
  await clock.advance(2)
  await publisher.publish('third', 'created', 0)
  await clock.advance(2)
  expect(transport.requests).toHaveLength(1)
  await clock.advance(1)
  expect(transport.requests.map(({ events }) => events.length)).toEqual([1, 2])
})

test('an immediate event does not wait for company', async () => {
  const { clock, transport, publisher } = await startPublisherRig({ latencyMs: 100, batchTimeoutMs: 50 })
  await publisher.publish('first', 'created', 0)
  await clock.advance(1)
  await publisher.publish('second', 'created', 0, { immediate: true })
  await clock.advance(0)
  expect(transport.requests).toHaveLength(2)
})

test('a flood leaves in batches of ten over at most five requests at a time, in order on every channel', async () => {
  const { clock, transport, publisher } = await startPublisherRig({ latencyMs: 2 })
  const events = names(1_000).map((n) => ({ channel: `channel-${n % 40}`, event: 'counted', data: n }))
  const receipts = await publisher.publishMany(events)
  await clock.advance(1_000)
  expect(transport.mostInFlight).toBe(5)
  expect(transport.requests).toHaveLength(100)
  for (const channel of names(40)) {
    const its = dataOf(transport.delivered.filter((event) => event.channel === `channel-${channel}`))
    expect(its).toEqual(names(25).map((round) => round * 40 + channel))
  }
  const ends = await Promise.all(receipts.map((receipt) => receipt.settled))
  expect(new Set(ends.map(({ outcome, reason }) => `${outcome} ${reason}`))).toEqual(new Set(['delivered ok']))
})

test('a channel has one request under way at a time, so that a later one cannot overtake it', async () => {
  const { clock, transport, publisher } = await startPublisherRig({ latencyMs: 10, batchTimeoutMs: 1 })
  for (const n of names(3)) {
    await publisher.publish('one', 'counted', n, { immediate: true })
    await clock.advance(2)
  }
  expect(transport.mostInFlight).toBe(1)
  await clock.advance(30)
  expect(dataOf(transport.delivered)).toEqual([0, 1, 2])
})

test.describe('priorities', () => {
  test('a channel of high priority goes before those that came earlier', async () => {
    const { clock, transport, publisher } = await startPublisherRig({ latencyMs: 5, poolSize: 1, batchSize: 1 })
    await publisher.publish('first', 'created', 0)
    await clock.advance(1)
    await publisher.publish('low', 'created', 0, { priority: 'low' })
    await publisher.publish('normal', 'created', 0)
    await publisher.publish('high', 'created', 0, { priority: 'high' })
    await publisher.publish('immediate', 'created', 0, { immediate: true })
    await clock.advance(100)
    const order = transport.delivered.map(({ channel }) => channel)
    expect(order).toEqual(['first', 'immediate', 'high', 'normal', 'low'])
  })

  test('an event of high priority lifts the earlier events of its channel with it', async () => {
    const { clock, transport, publisher } = await startPublisherRig({ latencyMs: 5, poolSize: 1, batchSize: 1 })
    await publisher.publish('first', 'created', 0)
    await clock.advance(1)
    await publisher.publish('mixed', 'created', 'low', { priority: 'low' })
    await publisher.publish('normal', 'created', 'normal')
    await publisher.publish('mixed', 'created', 'high', { priority: 'high' })
    await clock.advance(100)
    expect(dataOf(transport.delivered)).toEqual([0, 'low', 'high', 'normal'])
  })

  test('a channel of low priority is not starved by an endless stream of higher ones', async () => {
    const { clock, transport, publisher } = await startPublisherRig({ latencyMs: 10, poolSize: 1, batchSize: 1 })
    await publisher.publish('low', 'created', 'low', { priority: 'low' })
    for (const n of names(800)) {
      void publisher.publish(`high-${n}`, 'created', n, { priority: 'high' })
      void publisher.publish(`more-${n}`, 'created', n, { priority: 'high' })
      await clock.advance(10)
    }
    expect(dataOf(transport.delivered)).toContain('low')
  })
})

test.describe('one event to many channels', () => {
  const channels = (count: number): string[] => names(count).map((n) => `channel-${n}`)

  test('takes one request for all of them when nothing else is to be sent', async () => {
    const { clock, transport, publisher } = await startPublisherRig()
    const receipt = await publisher.publish(channels(100), 'created', { n: 1 })
    await clock.advance(0)
    expect(transport.requests.map(({ path, events }) => [path, events.length])).toEqual([['/events', 100]])
    expect(await receipt.settled).toMatchObject({ outcome: 'delivered' })
  })

  test('joins a batch when that is the cheaper form', async () => {
    const { clock, transport, publisher } = await startPublisherRig()
    void publisher.publish(channels(3), 'created', { n: 1 })
    for (const n of names(4)) void publisher.publish(`other-${n}`, 'created', n)
    await clock.advance(0)
    expect(transport.requests.map(({ path, events }) => [path, events.length])).toEqual([['/batch_events', 7]])
  })

  test('waits behind the earlier events of each channel, and holds up none of the others', async () => {
    const { clock, transport, publisher } = await startPublisherRig({ latencyMs: 5 })
    await publisher.publish('channel-0', 'created', 'before')
    await clock.advance(1)
    await publisher.publish(channels(12), 'created', 'to all')
    await clock.advance(1)
    expect(transport.requests).toHaveLength(2)
    await clock.advance(20)
    const zero = transport.delivered.filter(({ channel }) => channel === 'channel-0')
    expect(dataOf(zero)).toEqual(['before', 'to all'])
    expect(transport.delivered).toHaveLength(13)
  })

  test('goes encrypted to each encrypted channel on its own', async () => {
    const { clock, transport, publisher } = await startPublisherRig()
    await publisher.publish(['private-encrypted-a', 'private-encrypted-b'], 'created', { n: 1 })
    await clock.advance(0)
    expect(transport.requests.map(({ path, events }) => [path, events.length])).toEqual([['/batch_events', 2]])
    const [a, b] = transport.delivered.map(({ data }) => JSON.parse(data) as Record<string, string>)
    expect(Object.keys(a ?? {})).toEqual(['nonce', 'ciphertext'])
    expect(a?.['ciphertext']).not.toBe(b?.['ciphertext'])
  })

  test('names a channel once however often it is given', async () => {
    const { clock, transport, publisher } = await startPublisherRig()
    await publisher.publish(['a', 'a'], 'created', 1)
    await clock.advance(0)
    expect(transport.delivered).toHaveLength(1)
  })

  test('is split where Pusher refuses it, so that the good channels get it', async () => {
    const { clock, transport, publisher } = await startPublisherRig()
    transport.script = ({ events }) =>
      events.some(({ channel }) => channel === 'channel-7')
        ? { kind: 'refused', scope: 'event', reason: 'http_400' }
        : undefined
    const receipt = await publisher.publish(channels(12), 'created', 1)
    await clock.advance(0)
    expect(transport.delivered).toHaveLength(11)
    expect(await receipt.settled).toMatchObject({ outcome: 'dead_lettered', reason: 'http_400' })
  })
})

test.describe('several apps', () => {
  test('share the channels by their names, each with its own connections', async () => {
    const { clock, transport, publisher } = await startPublisherRig({
      moreApps: [{ appId: '2', key: 'k2', secret: 's2', host: '127.0.0.1', port: 2 }],
      latencyMs: 10,
    })
    await publisher.publishMany(names(200).map((n) => ({ channel: `channel-${n}`, event: 'counted', data: n })))
    await clock.advance(100)
    expect(transport.delivered).toHaveLength(200)
    expect(transport.mostInFlight).toBe(10)
    expect(publisher.stats()).toMatchObject({ poolSize: 10, rateLimit: { callsPerSecond: 200_000 } })
  })
})
