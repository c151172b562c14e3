import { expect, test } from '@playwright/test'

import { startPublisherRig } from '#fixtures/doubles/pusher-rig.ts'

const refusals: ReadonlyArray<{
  readonly what: string
  readonly publish: readonly [channel: unknown, event: unknown, data: unknown, options?: { readonly socketId: string }]
  readonly code: string
  readonly details: object
}> = [
  { what: 'a channel with a space', publish: ['a b', 'e', 1], code: 'invalid_event', details: { channel: 'a b' } },
  {
    what: 'a channel with a hash',
    publish: ['#server', 'e', 1],
    code: 'invalid_event',
    details: { channel: '#server' },
  },
  { what: 'an empty channel', publish: ['', 'e', 1], code: 'invalid_event', details: { channel: '' } },
  { what: 'a channel that is a number', publish: [[7], 'e', 1], code: 'invalid_event', details: { channel: '7' } },
  { what: 'a channel of 165 characters', publish: ['x'.repeat(165), 'e', 1], code: 'invalid_event', details: {} },
  { what: 'no channel', publish: [[], 'e', 1], code: 'invalid_event', details: { event: 'e' } },
  {
    what: '101 channels',
    publish: [Array.from({ length: 101 }, (_, n) => `c-${n}`), 'e', 1],
    code: 'event_too_large',
    details: { channel: 'c-0', event: 'e', actual: 101, allowed: 100 },
  },
  { what: 'an empty event name', publish: ['a', '', 1], code: 'invalid_event', details: { channel: 'a', actual: 0 } },
  {
    what: 'an event name of 201 characters',
    publish: ['a', 'x'.repeat(201), 1],
    code: 'invalid_event',
    details: { channel: 'a', actual: 201, allowed: 200 },
  },
  {
    what: 'a socket id that is none',
    publish: ['a', 'e', 1, { socketId: 'socket123' }],
    code: 'invalid_event',
    details: { channel: 'a', event: 'e' },
  },
  {
    what: 'data of more than 10 KB, counted in UTF-8',
    publish: ['a', 'e', 'ü'.repeat(6_000)],
    code: 'event_too_large',
    details: { channel: 'a', event: 'e', allowed: 10_240 },
  },
  {
    what: 'data that is more than 10 KB once it is encrypted',
    publish: ['private-encrypted-a', 'e', 'x'.repeat(8_000)],
    code: 'event_too_large',
    details: { channel: 'private-encrypted-a', event: 'e', allowed: 10_240 },
  },
  { what: 'no data', publish: ['a', 'e', undefined], code: 'invalid_event', details: { channel: 'a', event: 'e' } },
]

for (const { what, publish, code, details } of refusals) {
  test(`${what} is refused before anything is sent`, async () => {
    const { clock, transport, publisher } = await startPublisherRig()
    const [channel, event, data, options] = publish
    const refusal = publisher.publish(channel as string, event as string, data, options)
    await expect(refusal).rejects.toMatchObject({ code, details })
    await clock.advance(10)
    expect(transport.requests).toEqual([])
    expect(publisher.stats()).toMatchObject({ accepted: 0, droppedByReason: { [code]: 1 } })
  })
}

test('the longest names and the largest data that are allowed are sent', async () => {
  const { clock, transport, publisher } = await startPublisherRig()
  await publisher.publish('x'.repeat(164), 'e'.repeat(200), { text: 'y'.repeat(10_100) })
  await publisher.publish('private-encrypted-a', 'e', { text: 'y'.repeat(7_480) })
  await clock.advance(10)
  expect(transport.delivered).toHaveLength(2)
})

test('one bad event among many is refused with all of them, and none is sent', async () => {
  const { clock, transport, publisher } = await startPublisherRig()
  const many = ['a', 'b c', 'd'].map((channel) => ({ channel, event: 'e', data: 1 }))
  await expect(publisher.publishMany(many)).rejects.toMatchObject({ code: 'invalid_event' })
  await clock.advance(10)
  expect(transport.requests).toEqual([])
})

test('an event for an encrypted channel of an app without a master key is refused when it is published', async () => {
  const app = { appId: '7', key: 'key', secret: 'secret' }
  const { clock, transport, publisher } = await startPublisherRig({ app })
  await expect(publisher.publish('private-encrypted-a', 'e', 1)).rejects.toMatchObject({
    code: 'missing_master_key',
    message: 'Event "e" on channel "private-encrypted-a": app 7 has no encryption master key',
    retryable: false,
  })
  const receipt = await publisher.publish('private-a', 'e', 2)
  await clock.advance(10)
  expect(await receipt.settled).toMatchObject({ outcome: 'delivered' })
  expect(transport.requests).toHaveLength(1)
})
