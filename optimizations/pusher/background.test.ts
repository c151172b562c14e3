import { expect, test } from '@playwright/test'

import { dataOf, startPublisherRig, type PublisherRig } from '#fixtures/doubles/pusher-rig.ts'
import { readStamp } from './client/delivery-guard.js'

const FLOOD = 500

/** What somebody else sends in any number, over so many channels. */
async function flood({ publisher }: PublisherRig, channels = 1, events = FLOOD): Promise<void> {
  const options = { priority: 'background' } as const
  await publisher.publishMany(
    Array.from({ length: events }, (_, n) => ({ channel: `flood-${n % channels}`, event: 'typed', data: n, options })),
  )
}

const sizes = ({ transport }: PublisherRig): number[] => transport.requests.map(({ events }) => events.length)
const own = ({ transport }: PublisherRig): unknown[] =>
  dataOf(transport.delivered.filter(({ name }) => name !== 'typed'))

for (const [what, channel] of [
  ['on another channel', 'own'],
  ['on its own channel', 'flood-0'],
] as const) {
  test(`an event passes a flood that waits ${what}, and takes none of it with it`, async () => {
    const rig = await startPublisherRig({ latencyMs: 10, poolSize: 1 })
    await flood(rig)
    await rig.clock.advance(15)
    await rig.publisher.publish(channel, 'graded', 'first')
    await rig.publisher.publish(channel, 'graded', 'second')
    await rig.publisher.publish('third', 'graded', 'third', { priority: 'low' })
    await rig.clock.advance(2_000)
    const [before, underway, next] = rig.transport.requests.map(({ events }) => dataOf(events))
    expect([before, underway, next]).toEqual([
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
      expect.any(Array),
      ['first', 'second', 'third'],
    ])
    const typed = rig.transport.delivered.filter(({ name }) => name === 'typed')
    expect(dataOf(typed)).toEqual(Array.from({ length: FLOOD }, (_, n) => n))
  })
}

test('however long a flood has waited, it goes after what was published just now', async () => {
  const rig = await startPublisherRig({ latencyMs: 10, poolSize: 1 })
  rig.transport.script = () =>
    rig.clock.monotonic() < 60_000 ? { kind: 'unavailable', reason: 'http_500' } : undefined
  await flood(rig, 20)
  await rig.clock.advance(60_000 - rig.clock.monotonic())
  await rig.publisher.publish('own', 'graded', 1, { priority: 'low' })
  await rig.clock.advance(20_000)
  const position = rig.transport.delivered.findIndex(({ name }) => name === 'graded')
  // At most what was under way when it came.
  expect(position).toBeLessThanOrEqual(10)
  expect(rig.transport.delivered).toHaveLength(FLOOD + 1)
})

test('a flood shares no request with others, and its immediate events wait for company all the same', async () => {
  const rig = await startPublisherRig({ latencyMs: 10 })
  const options = { priority: 'background', immediate: true } as const
  await rig.publisher.publishMany(
    Array.from({ length: 100 }, (_, n) => [
      { channel: `own-${n}`, event: 'graded', data: n },
      { channel: `flood-${n}`, event: 'typed', data: n, options },
    ]).flat(),
  )
  expect(rig.publisher.stats().backgroundPending).toBe(100)
  await rig.clock.advance(1_000)
  const kinds = rig.transport.requests.map(({ events }) => new Set(events.map(({ name }) => name)).size)
  expect(new Set(kinds)).toEqual(new Set([1]))
  expect(sizes(rig)).toEqual(Array.from({ length: 20 }, () => 10))
})

test('a flood leaves a connection free: an event goes out in the turn in which it is published', async () => {
  const rig = await startPublisherRig({ latencyMs: 1_000, poolSize: 5 })
  await flood(rig, 100)
  await rig.clock.advance(10)
  expect(rig.transport.inFlight).toBe(4)
  await rig.publisher.publish('own', 'graded', 1)
  await rig.clock.advance(0)
  expect(rig.transport.inFlight).toBe(5)
  expect(rig.transport.requests.at(-1)?.events.map(({ name }) => name)).toEqual(['graded'])
})

test.describe('where the rate limit is the bottleneck', () => {
  const LIMIT = { callsPerSecond: 100, burst: 100 }

  test('a flood leaves half of the burst to the others, who wait for nothing', async () => {
    const rig = await startPublisherRig({ ...LIMIT, poolSize: 20 })
    await flood(rig, 100)
    await rig.clock.advance(0)
    expect(rig.transport.delivered).toHaveLength(50)
    await rig.clock.advance(1_000)
    expect(rig.transport.delivered).toHaveLength(150)
    const at = rig.clock.monotonic()
    for (let n = 0; n < 50; n += 1) await rig.publisher.publish(`own-${n}`, 'graded', n)
    await rig.clock.advance(1)
    expect(own(rig)).toHaveLength(50)
    expect(rig.clock.monotonic() - at).toBe(1)
  })

  test('others that use the limit up are sent as if there were no flood, which waits until they are done', async () => {
    const rig = await startPublisherRig({ ...LIMIT, poolSize: 20 })
    await flood(rig, 100)
    await rig.clock.advance(0)
    const before = rig.transport.delivered.length
    for (let n = 0; n < 250; n += 1) await rig.publisher.publish(`own-${n}`, 'graded', n)
    // 50 tokens are there, and the other 200 come in two seconds.
    await rig.clock.advance(2_001)
    expect(own(rig)).toHaveLength(250)
    expect(rig.transport.delivered).toHaveLength(before + 250)
    await rig.clock.advance(10_000)
    expect(rig.publisher.stats()).toMatchObject({ pending: 0, outcomes: { delivered: FLOOD + 250 } })
  })

  test('a limit of one event a second still lets the background through', async () => {
    const rig = await startPublisherRig({ callsPerSecond: 1, burst: 1 })
    await flood(rig, 1, 5)
    await rig.clock.advance(10_000)
    expect(rig.transport.delivered).toHaveLength(5)
  })

  test('a flood takes of the shared budget only what is spare there, and asks again when it is told to', async () => {
    const asked: (readonly [number, number])[] = []
    const sharedRateLimit = {
      reserve: async () => 0,
      takeSpare: async (tokens: number, kept: number) => {
        asked.push([tokens, kept])
        return asked.length > 3 && asked.length < 6 ? 500 : 0
      },
    }
    const rig = await startPublisherRig({ ...LIMIT, poolSize: 20, callsPerSecond: 1_000, burst: 100, sharedRateLimit })
    await flood(rig, 100, 100)
    await rig.clock.advance(100)
    expect(rig.transport.delivered).toHaveLength(30)
    await rig.publisher.publish('own', 'graded', 1)
    await rig.clock.advance(1)
    expect(own(rig)).toEqual([1])
    await rig.clock.advance(5_000)
    expect(rig.transport.delivered).toHaveLength(101)
    expect(new Set(asked.map(String))).toEqual(new Set(['10,50']))
  })

  test('a flood takes nothing while others wait for the shared budget', async () => {
    const sharedRateLimit = { reserve: async () => 500, takeSpare: async () => 0 }
    const rig = await startPublisherRig({ ...LIMIT, sharedRateLimit })
    await rig.publisher.publish('own', 'graded', 1)
    await rig.clock.advance(1)
    await flood(rig, 10, 10)
    await rig.clock.advance(400)
    expect(rig.transport.delivered).toEqual([])
    await rig.clock.advance(1_000)
    expect(rig.transport.delivered.map(({ name }) => name)).toEqual(['graded', ...Array<string>(10).fill('typed')])
  })

  test('without the shared budget a flood keeps to what is spare of its own', async () => {
    const fail = () => Promise.reject(new Error('redis is away'))
    const rig = await startPublisherRig({ ...LIMIT, poolSize: 20, sharedRateLimit: { reserve: fail, takeSpare: fail } })
    await flood(rig, 100)
    await rig.clock.advance(0)
    expect(rig.transport.delivered).toHaveLength(50)
  })
})

test.describe('a queue that a flood has filled', () => {
  const bounded = { latencyMs: 1_000, poolSize: 1, maxBackgroundEvents: 20, maxQueuedEvents: 10 }

  for (const whenFull of ['refuse', 'drop_oldest', 'drop_newest', 'coalesce'] as const) {
    test(`has room for everybody else (${whenFull}), and says to the flood alone what it says`, async () => {
      const rig = await startPublisherRig({ ...bounded, whenFull })
      const refusals: unknown[] = []
      for (let n = 0; n < 40; n += 1) {
        const options = { priority: 'background' } as const
        await rig.publisher.publish(`flood-${n}`, 'typed', n, options).catch((error: unknown) => refusals.push(error))
      }
      for (let n = 0; n < 10; n += 1) await rig.publisher.publish(`own-${n}`, 'graded', n)
      await rig.clock.advance(20_000)
      expect(own(rig)).toHaveLength(10)
      const isRefusing = whenFull === 'refuse' || whenFull === 'coalesce'
      expect(refusals).toHaveLength(isRefusing ? 20 : 0)
      expect(rig.publisher.stats().outcomes).toMatchObject({ delivered: 30, refused: isRefusing ? 0 : 20 })
    })
  }

  test('is counted, and is no fault in health', async () => {
    const rig = await startPublisherRig(bounded)
    await flood(rig, 100, 20)
    expect(rig.publisher.stats()).toMatchObject({ pending: 20, backgroundPending: 20 })
    expect(await rig.publisher.health()).toMatchObject({ status: 'healthy' })
    await expect(flood(rig)).rejects.toMatchObject({
      code: 'queue_full',
      details: { pending: 20, maxQueuedEvents: 20 },
    })
  })
})

test('an event of the background that ends or is coalesced leaves its channel in order', async () => {
  const rig = await startPublisherRig({ latencyMs: 100, poolSize: 1 })
  await rig.publisher.publish('busy', 'started', 0)
  await rig.clock.advance(1)
  const background = { priority: 'background' } as const
  await rig.publisher.publish('a', 'typed', 'old', { ...background, coalesceKey: 'k' })
  await rig.publisher.publish('a', 'graded', 'expires', { deadlineMs: 50 })
  await rig.publisher.publish('a', 'typed', 'new', { ...background, coalesceKey: 'k' })
  await rig.clock.advance(60)
  expect(rig.publisher.stats()).toMatchObject({ pending: 2, outcomes: { coalesced: 1, expired: 1 } })
  await rig.clock.advance(500)
  expect(dataOf(rig.transport.delivered)).toEqual([0, 'new'])
})

test('an event of the background that failed is passed by what comes later on its channel, which tells of no gap', async () => {
  const rig = await startPublisherRig({ latencyMs: 10 })
  const first = await rig.publisher.publish('a', 'graded', 'first')
  await rig.clock.advance(20)
  rig.transport.script = () => ({ kind: 'unavailable', reason: 'http_500' })
  await rig.publisher.publish('a', 'typed', 'failed', { priority: 'background' })
  await rig.clock.advance(11)
  rig.transport.script = () => undefined
  const second = await rig.publisher.publish('a', 'graded', 'second')
  await rig.clock.advance(2_000)
  expect(dataOf(rig.transport.delivered)).toEqual(['first', 'second', 'failed'])
  const [, stamp] = rig.transport.delivered.map(({ data }) => readStamp(JSON.parse(data)).stamp)
  expect(stamp).toMatchObject({ id: second.id, after: first.id })
})

test('one event of the background for many channels goes to each of them once', async () => {
  const rig = await startPublisherRig({ latencyMs: 10 })
  const channels = Array.from({ length: 12 }, (_, n) => `c-${n}`)
  await rig.publisher.publish('c-0', 'graded', {})
  await rig.publisher.publish(channels, 'typed', {}, { priority: 'background' })
  await rig.clock.advance(500)
  const typed = rig.transport.delivered.filter(({ name }) => name === 'typed').map(({ channel }) => channel)
  expect(typed.toSorted()).toEqual(channels.toSorted())
})
