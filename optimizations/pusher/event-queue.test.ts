import { expect, test } from '@playwright/test'

import { dataOf, startPublisherRig, type PublisherRig, type RigOptions } from '#fixtures/doubles/pusher-rig.ts'
import { PusherError } from './errors.ts'

/** One event is under way, so that all others stay queued until the clock has moved by a second. */
async function startBusyRig(options: RigOptions = {}): Promise<PublisherRig> {
  const rig = await startPublisherRig({ latencyMs: 1_000, poolSize: 1, ...options })
  await rig.publisher.publish('busy', 'started', 'busy')
  await rig.clock.advance(0)
  return rig
}

test.describe('a full queue', () => {
  const full = { maxQueuedEvents: 3 }

  test('refuses by default, naming how much it holds', async () => {
    const { publisher } = await startBusyRig(full)
    await publisher.publish('a', 'e', 1)
    await publisher.publish('b', 'e', 2)
    const refusal = publisher.publish('c', 'e', 3)
    await expect(refusal).rejects.toThrow(PusherError)
    await expect(refusal).rejects.toMatchObject({
      code: 'queue_full',
      retryable: true,
      details: { channel: 'c', event: 'e', pending: 3, maxQueuedEvents: 3 },
    })
    expect(publisher.stats()).toMatchObject({ accepted: 3, droppedByReason: { queue_full: 1 } })
  })

  test('is also one that holds too many bytes', async () => {
    const { publisher } = await startBusyRig({ maxQueuedBytes: 3_000 })
    await publisher.publish('a', 'e', 'x'.repeat(2_000))
    await expect(publisher.publish('b', 'e', 'x'.repeat(2_000))).rejects.toMatchObject({ code: 'queue_full' })
    expect(publisher.stats().queuedBytes).toBeLessThanOrEqual(3_000)
  })

  test('takes all events of publishMany or none', async () => {
    const { clock, transport, publisher } = await startBusyRig(full)
    const many = [1, 2, 3].map((n) => ({ channel: `c-${n}`, event: 'e', data: n }))
    await expect(publisher.publishMany(many)).rejects.toMatchObject({ code: 'queue_full' })
    await clock.advance(10_000)
    expect(dataOf(transport.delivered)).toEqual(['busy'])
  })

  test('drops the oldest that is not under way when told so', async () => {
    const { clock, transport, publisher } = await startBusyRig({ ...full, whenFull: 'drop_oldest' })
    const receipts = []
    for (let n = 0; n < 20; n += 1) receipts.push(await publisher.publish(`c-${n % 4}`, 'e', n))
    await clock.advance(10_000)
    expect(dataOf(transport.delivered)).toEqual(['busy', 18, 19])
    expect(await receipts[0]?.settled).toMatchObject({ outcome: 'refused', reason: 'dropped_oldest', attempts: 0 })
    expect(publisher.stats()).toMatchObject({ outcomes: { delivered: 3, refused: 18 }, pending: 0 })
  })

  test('refuses when everything that it could drop is under way', async () => {
    const { publisher } = await startBusyRig({ maxQueuedEvents: 1, whenFull: 'drop_oldest' })
    await expect(publisher.publish('a', 'e', 1)).rejects.toMatchObject({ code: 'queue_full' })
  })

  test('drops the newest when told so', async () => {
    const { clock, transport, publisher } = await startBusyRig({ ...full, whenFull: 'drop_newest' })
    await publisher.publish('a', 'e', 1)
    await publisher.publish('b', 'e', 2)
    const receipt = await publisher.publish('c', 'e', 3)
    expect(await receipt.settled).toMatchObject({ outcome: 'refused', reason: 'dropped_newest' })
    await clock.advance(10_000)
    expect(dataOf(transport.delivered)).toEqual(['busy', 1, 2])
  })

  test('coalesces with the event before it on the channel when told so, and refuses where there is none', async () => {
    const { clock, transport, publisher } = await startBusyRig({ ...full, whenFull: 'coalesce' })
    const first = await publisher.publish('a', 'moved', 1)
    await publisher.publish('b', 'moved', 1)
    await publisher.publish('a', 'moved', 2)
    expect(await first.settled).toMatchObject({ outcome: 'coalesced', reason: 'coalesced_when_full' })
    await expect(publisher.publish('a', 'other', 1)).rejects.toMatchObject({ code: 'queue_full' })
    await expect(publisher.publish('a', 'moved', 3, { socketId: '1.2' })).rejects.toMatchObject({ code: 'queue_full' })
    await expect(publisher.publish('c', 'moved', 1)).rejects.toMatchObject({ code: 'queue_full' })
    await clock.advance(10_000)
    expect(dataOf(transport.delivered)).toEqual(['busy', 1, 2])
  })
})

test.describe('coalescing', () => {
  test('sends only the last of the queued events of a key', async () => {
    const { clock, transport, publisher } = await startBusyRig()
    const first = await publisher.publish('a', 'moved', 1, { coalesceKey: 'cursor' })
    await publisher.publish('a', 'moved', 10, { coalesceKey: 'other' })
    const last = await publisher.publish('a', 'moved', 2, { coalesceKey: 'cursor' })
    await clock.advance(10_000)
    expect(dataOf(transport.delivered)).toEqual(['busy', 10, 2])
    expect(await first.settled).toMatchObject({ outcome: 'coalesced' })
    expect(await last.settled).toMatchObject({ outcome: 'delivered' })
    expect(publisher.stats()).toMatchObject({ accepted: 4, outcomes: { delivered: 3, coalesced: 1 }, failedEvents: 0 })
  })

  test('does not reach across an event without a key', async () => {
    const { clock, transport, publisher } = await startBusyRig()
    await publisher.publish('a', 'moved', 1, { coalesceKey: 'cursor' })
    await publisher.publish('a', 'clicked', 'click')
    await publisher.publish('a', 'moved', 2, { coalesceKey: 'cursor' })
    await clock.advance(10_000)
    expect(dataOf(transport.delivered)).toEqual(['busy', 1, 'click', 2])
  })

  test('does not reach across socket ids or channels', async () => {
    const { clock, transport, publisher } = await startBusyRig()
    await publisher.publish('a', 'moved', 1, { coalesceKey: 'cursor', socketId: '1.1' })
    await publisher.publish('a', 'moved', 2, { coalesceKey: 'cursor', socketId: '2.2' })
    await publisher.publish('b', 'moved', 3, { coalesceKey: 'cursor' })
    await clock.advance(10_000)
    expect(dataOf(transport.delivered)).toEqual(['busy', 1, 2, 3])
    expect(transport.delivered.map(({ socketId }) => socketId)).toEqual([undefined, '1.1', '2.2', undefined])
  })

  test('does not touch an event that is under way or was sent before', async () => {
    const { clock, transport, publisher } = await startPublisherRig({ latencyMs: 10, retryBaseMs: 1_000 })
    transport.script = ({ sentAt }) =>
      sentAt < clock.monotonic() - 5_000 ? undefined : { kind: 'unavailable', reason: 'http_500' }
    const first = await publisher.publish('a', 'moved', 1, { coalesceKey: 'cursor' })
    await clock.advance(20)
    await publisher.publish('a', 'moved', 2, { coalesceKey: 'cursor' })
    transport.script = () => undefined
    await clock.advance(10_000)
    expect(await first.settled).toMatchObject({ outcome: 'delivered', attempts: 2 })
    expect(dataOf(transport.delivered)).toEqual([1, 2])
  })

  test('of an endless stream of one key keeps one event, however long Pusher is away', async () => {
    const { clock, transport, publisher } = await startBusyRig({ maxQueuedEvents: 5 })
    for (let n = 0; n < 5_000; n += 1) await publisher.publish('a', 'moved', n, { coalesceKey: 'cursor' })
    expect(publisher.stats()).toMatchObject({ pending: 2 })
    await clock.advance(10_000)
    expect(dataOf(transport.delivered)).toEqual(['busy', 4_999])
  })
})

test.describe('a deadline', () => {
  test('ends an event that is still queued, at that moment', async () => {
    const { clock, transport, publisher } = await startBusyRig()
    const receipt = await publisher.publish('a', 'e', 1, { deadlineMs: 300 })
    await clock.advance(301)
    expect(await receipt.settled).toMatchObject({ outcome: 'expired', reason: 'deadline', attempts: 0 })
    await clock.advance(10_000)
    expect(dataOf(transport.delivered)).toEqual(['busy'])
  })

  test('does not end an event that is under way, but is looked at when it comes back', async () => {
    const { clock, transport, publisher } = await startPublisherRig({ latencyMs: 500 })
    const good = await publisher.publish('a', 'e', 1, { deadlineMs: 300 })
    await clock.advance(600)
    expect(await good.settled).toMatchObject({ outcome: 'delivered' })
    transport.script = () => ({ kind: 'unavailable', reason: 'http_500' })
    const bad = await publisher.publish('a', 'e', 2, { deadlineMs: 300 })
    await clock.advance(600)
    expect(await bad.settled).toMatchObject({ outcome: 'expired', attempts: 1 })
  })

  test('is over when the event was delivered before', async () => {
    const { clock, publisher } = await startPublisherRig()
    const receipt = await publisher.publish('a', 'e', 1, { deadlineMs: 300 })
    await clock.advance(1)
    expect(await receipt.settled).toMatchObject({ outcome: 'delivered' })
    expect(clock.pending).toBe(0)
  })
})

test.describe('the link to the event before', () => {
  const stamps = (events: ReadonlyArray<{ readonly data: string }>): string[][] =>
    events.map(({ data }) => (JSON.parse(data) as { _event: string })._event.split(' '))

  test('names it, channel by channel', async () => {
    const { clock, transport, publisher } = await startPublisherRig()
    const [a1, b1, a2] = await publisher.publishMany(
      ['a', 'b', 'a'].map((channel) => ({ channel, event: 'e', data: {} })),
    )
    await clock.advance(0)
    const links = Object.fromEntries(stamps(transport.delivered).map(([id, after]) => [id, after]))
    expect(links).toEqual({ [a1?.id ?? '']: '-', [b1?.id ?? '']: '-', [a2?.id ?? '']: a1?.id })
  })

  test('names an event that was dropped, so that subscribers see the gap', async () => {
    const { clock, transport, publisher } = await startBusyRig()
    await publisher.publish('a', 'e', {})
    await clock.advance(2_001)
    await publisher.publish('busy', 'e', {})
    await clock.advance(1)
    const lost = await publisher.publish('a', 'e', {}, { deadlineMs: 1 })
    await clock.advance(1)
    await publisher.publish('a', 'e', {})
    await clock.advance(10_000)
    const last = stamps(transport.delivered.filter(({ channel }) => channel === 'a')).at(-1)
    expect([last?.[1], (await lost.settled).outcome]).toEqual([lost.id, 'expired'])
  })

  test('passes over an event that somebody was excluded from', async () => {
    const { clock, transport, publisher } = await startPublisherRig()
    const first = await publisher.publish('a', 'e', {})
    await publisher.publish('a', 'e', {}, { socketId: '1.2' })
    await publisher.publish('a', 'e', {})
    await clock.advance(0)
    expect(stamps(transport.delivered).map(([, after]) => after)).toEqual(['-', first.id, first.id])
  })
})
