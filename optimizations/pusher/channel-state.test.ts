import { createHmac } from 'node:crypto'

import { expect, test } from '@playwright/test'

import { startPublisherRig, type PublisherRig } from '#fixtures/doubles/pusher-rig.ts'
import { SteppingClock } from '#fixtures/doubles/stepping-clock.ts'

const answerOf = (body: object, status = 200) => ({
  status,
  body: JSON.stringify(body),
  retryAfterMs: undefined,
  fault: undefined,
})

/** A webhook with the signature that Pusher would give it. */
function signed(rawBody: string) {
  const signature = createHmac('sha256', 'secret').update(rawBody).digest('hex')
  return {
    headers: { 'content-type': 'application/json', 'x-pusher-key': 'key', 'x-pusher-signature': signature },
    rawBody,
  }
}

function webhook(
  rig: PublisherRig,
  events: readonly object[],
  change: { readonly ageMs?: number; readonly key?: string } = {},
) {
  const rawBody = JSON.stringify({ time_ms: rig.clock.now() - (change.ageMs ?? 0), events })
  const signature = createHmac('sha256', 'secret').update(rawBody).digest('hex')
  const headers = {
    'content-type': 'application/json',
    'x-pusher-key': change.key ?? 'key',
    'x-pusher-signature': signature,
  }
  return { headers, rawBody }
}

test('what Pusher said of a channel is remembered for five seconds', async () => {
  const rig = await startPublisherRig()
  rig.transport.answer = answerOf({ occupied: true, user_count: 3 })
  expect(await rig.publisher.channels.info('presence-a')).toEqual({ occupied: true, userCount: 3 })
  rig.transport.answer = answerOf({ occupied: false })
  expect(await rig.publisher.channels.info('presence-a')).toEqual({ occupied: true, userCount: 3 })
  expect(rig.publisher.stats().cacheHits).toBe(1)
  await rig.clock.advance(5_001)
  expect(await rig.publisher.channels.info('presence-a')).toEqual({ occupied: false })
})

test('subscription counts are there where they were asked for', async () => {
  const rig = await startPublisherRig({ channelState: { asksSubscriptionCounts: true } })
  rig.transport.answer = answerOf({ occupied: true, subscription_count: 9 })
  expect(await rig.publisher.channels.info('a')).toEqual({ occupied: true, subscriptionCount: 9 })
})

test('a fault is told and not remembered', async () => {
  const rig = await startPublisherRig()
  rig.transport.answer = { ...answerOf({}), status: 0, fault: 'econnrefused' }
  await expect(rig.publisher.channels.info('a')).rejects.toMatchObject({ code: 'pusher_unreachable', retryable: true })
  for (const answer of [
    answerOf({}, 400),
    answerOf({ error: 'no', code: 400 }),
    { ...answerOf({}), body: 'no JSON' },
    answerOf({ status: 'up' }),
  ]) {
    rig.transport.answer = answer
    await expect(rig.publisher.channels.info('a')).rejects.toMatchObject({ code: 'pusher_rejected' })
  }
  rig.transport.answer = { ...answerOf({}), body: '7' }
  await expect(rig.publisher.channels.info('a')).rejects.toMatchObject({ code: 'pusher_rejected' })
  rig.transport.answer = answerOf({ occupied: true })
  expect(await rig.publisher.channels.info('a')).toEqual({ occupied: true })
})

test('the users of a presence channel are named', async () => {
  const rig = await startPublisherRig()
  rig.transport.answer = answerOf({ users: [{ id: 'u1' }, { id: 2 }] })
  expect(await rig.publisher.channels.users('presence-a')).toEqual(['u1', '2'])
  rig.transport.answer = answerOf({})
  expect(await rig.publisher.channels.users('presence-a')).toEqual([])
  await expect(rig.publisher.channels.users('private-a')).rejects.toMatchObject({ code: 'invalid_request' })
  await expect(rig.publisher.channels.info('a/../b')).rejects.toMatchObject({ code: 'invalid_request' })
})

test('connections of a user are terminated in every app', async () => {
  const rig = await startPublisherRig({ moreApps: [{ appId: '2', key: 'k2', secret: 's2' }] })
  await rig.publisher.channels.terminateConnections('user-1')
  await expect(rig.publisher.channels.terminateConnections('')).rejects.toMatchObject({ code: 'invalid_request' })
  rig.transport.answer = answerOf({}, 401)
  await expect(rig.publisher.channels.terminateConnections('user-1')).rejects.toMatchObject({ code: 'pusher_rejected' })
})

test.describe('a webhook', () => {
  test('that is signed brings the state up to date', async () => {
    const rig = await startPublisherRig()
    const { channels } = rig.publisher
    rig.transport.answer = answerOf({ occupied: true })
    await channels.info('a')
    await channels.info('b')
    const events = [
      { name: 'channel_vacated', channel: 'a' },
      { name: 'channel_occupied', channel: 'b' },
      { name: 'subscription_count', channel: 'c', subscription_count: 5 },
      { name: 'client_event', channel: 'a', event: 'client-x' },
      { name: 'odd' },
    ]
    expect(await channels.receiveWebhook(webhook(rig, events))).toBe(true)
    expect(await channels.info('a')).toEqual({ occupied: false })
    rig.transport.answer = answerOf({ occupied: true, user_count: 4 })
    expect(await channels.info('b')).toEqual({ occupied: true, userCount: 4 })
    expect(await channels.info('c')).toEqual({ occupied: true, subscriptionCount: 5 })
  })

  test('that is forged, damaged, of another app or too old changes nothing', async () => {
    const rig = await startPublisherRig()
    const { channels } = rig.publisher
    rig.transport.answer = answerOf({ occupied: true })
    await channels.info('a')
    const events = [{ name: 'channel_vacated', channel: 'a' }]
    const good = webhook(rig, events)
    for (const bad of [
      { ...good, rawBody: good.rawBody.replace('"a"', '"b"') },
      { ...good, headers: { ...good.headers, 'x-pusher-signature': undefined } },
      { ...good, headers: { ...good.headers, 'content-type': 'text/plain' } },
      webhook(rig, events, { key: 'other' }),
      webhook(rig, events, { ageMs: 300_001 }),
      webhook(rig, events, { ageMs: -300_001 }),
    ]) {
      expect(await channels.receiveWebhook(bad)).toBe(false)
    }
    expect(await channels.info('a')).toEqual({ occupied: true })
    expect(await channels.receiveWebhook(good)).toBe(true)
  })

  for (const type of ['application/json; charset=utf-8', 'Application/JSON;charset=UTF-8', 'application/json ; x=y']) {
    test(`of the type ${type} is taken`, async () => {
      const rig = await startPublisherRig()
      const { headers, rawBody } = webhook(rig, [{ name: 'channel_vacated', channel: 'a' }])
      expect(
        await rig.publisher.channels.receiveWebhook({ headers: { ...headers, 'content-type': type }, rawBody }),
      ).toBe(true)
      expect(await rig.publisher.channels.info('a')).toEqual({ occupied: false })
    })
  }

  for (const [what, write] of [
    ['pretty-printed', (body: object) => JSON.stringify(body, null, '\t')],
    ['with a byte order mark', (body: object) => `\uFEFF${JSON.stringify(body)}`],
    ['with escapes', (body: object) => JSON.stringify(body).replaceAll('a', '\\u0061')],
  ] as const) {
    test(`that is ${what} is taken, because the signature is over its bytes`, async () => {
      const rig = await startPublisherRig()
      const rawBody = write({ time_ms: rig.clock.now(), events: [{ name: 'channel_vacated', channel: 'a' }] })
      expect(await rig.publisher.channels.receiveWebhook(signed(rawBody))).toBe(true)
      expect(await rig.publisher.channels.info('a')).toEqual({ occupied: false })
    })
  }

  for (const rawBody of [
    '{"time_ms":1700000000000}',
    '{"events":[]}',
    '{"time_ms":"1","events":[]}',
    '[]',
    'null',
    '7',
    '{',
  ]) {
    test(`that is signed and says ${rawBody} is refused, and throws nothing`, async () => {
      const rig = await startPublisherRig()
      expect(await rig.publisher.channels.receiveWebhook(signed(rawBody))).toBe(false)
      expect(rig.publisher.stats().webhooks).toMatchObject({ applied: 0 })
    })
  }

  test('is taken up to five minutes from our clock on either side, and counted beyond; health tells of three in a row', async () => {
    const rig = await startPublisherRig()
    const { publisher, clock } = rig
    const receive = (ageMs: number): Promise<boolean> => publisher.channels.receiveWebhook(webhook(rig, [], { ageMs }))
    expect([await receive(299_000), await receive(-299_000)]).toEqual([true, true])
    for (const [ageMs, told] of [
      [301_000, '301 s behind our clock'],
      [-360_000, '360 s ahead of our clock'],
    ] as const) {
      expect([await receive(ageMs), await receive(ageMs)]).toEqual([false, false])
      expect(await publisher.health()).toMatchObject({ status: 'healthy' })
      expect(await receive(ageMs)).toBe(false)
      const reasons = [`webhooks: signed ones are refused, because their time is ${told}`]
      expect(await publisher.health()).toMatchObject({ status: 'degraded', reasons })
      // One that is taken says that the clocks agree.
      expect(await receive(ageMs / 10)).toBe(true)
      expect(await publisher.health()).toMatchObject({ status: 'healthy' })
    }
    expect(publisher.stats().webhooks).toMatchObject({ outdated: 6 })
    for (let count = 0; count < 3; count += 1) await receive(400_000)
    expect(await publisher.health()).toMatchObject({ status: 'degraded' })
    await clock.advance(300_001)
    expect(await publisher.health()).toMatchObject({ status: 'healthy' })
  })

  test('that comes three times is taken three times and applied once', async () => {
    const rig = await startPublisherRig()
    const { channels } = rig.publisher
    const vacated = webhook(rig, [{ name: 'channel_vacated', channel: 'a' }])
    expect(await channels.receiveWebhook(vacated)).toBe(true)
    expect(await channels.info('a')).toEqual({ occupied: false })
    await channels.receiveWebhook(webhook(rig, [{ name: 'subscription_count', channel: 'a', subscription_count: 3 }]))
    expect([await channels.receiveWebhook(vacated), await channels.receiveWebhook(vacated)]).toEqual([true, true])
    expect(await channels.info('a')).toEqual({ occupied: true, subscriptionCount: 3 })
    expect(rig.publisher.stats().webhooks).toEqual({ applied: 2, repeated: 2, unshared: 0, outdated: 0 })
  })

  test('is remembered by all for as long as any of them would accept it, and refused by its time after that', async () => {
    const claims: number[] = []
    const claim = async (_id: string, ttlMs: number): Promise<boolean> => claims.push(ttlMs) > 0
    const rig = await startPublisherRig({ sharedWebhookMemory: { claim } })
    const { channels } = rig.publisher
    for (const ageMs of [300_000, 0, -300_000]) await channels.receiveWebhook(webhook(rig, [], { ageMs }))
    // A minute more, for processes whose clocks are behind.
    expect(claims).toEqual([60_000, 360_000, 660_000])

    const taken = webhook(rig, [{ name: 'channel_vacated', channel: 'a' }])
    expect(await channels.receiveWebhook(taken)).toBe(true)
    for (const [laterMs, isTaken] of [
      [300_000, true],
      [300_001, false],
    ] as const) {
      const later = await startPublisherRig({ clock: new SteppingClock(rig.clock.now() + laterMs) })
      expect(await later.publisher.channels.receiveWebhook(taken)).toBe(isTaken)
    }
  })

  test('of another app is another, whatever it says', async () => {
    const rig = await startPublisherRig({ moreApps: [{ appId: '2', key: 'k2', secret: 'secret' }] })
    const events = [{ name: 'channel_occupied', channel: 'a' }]
    expect(await rig.publisher.channels.receiveWebhook(webhook(rig, events))).toBe(true)
    expect(await rig.publisher.channels.receiveWebhook(webhook(rig, events, { key: 'k2' }))).toBe(true)
    expect(rig.publisher.stats().webhooks).toMatchObject({ applied: 2 })
  })

  test('that says a thing twice says it once', async () => {
    const rig = await startPublisherRig()
    const { channels } = rig.publisher
    const counted = { name: 'subscription_count', channel: 'a', subscription_count: 3 }
    const again = { subscription_count: 3, channel: 'a', name: 'subscription_count' }
    await channels.receiveWebhook(webhook(rig, [counted, { ...counted, subscription_count: 5 }, again]))
    expect(await channels.info('a')).toEqual({ occupied: true, subscriptionCount: 5 })
  })

  test('an answer that was under way when a webhook came does not undo it', async () => {
    const rig = await startPublisherRig()
    const { channels } = rig.publisher
    const late = Promise.withResolvers<void>()
    rig.transport.request = async () => {
      await late.promise
      return answerOf({ occupied: true })
    }
    const asked = channels.info('a')
    await channels.receiveWebhook(webhook(rig, [{ name: 'channel_vacated', channel: 'a' }]))
    late.resolve()
    await asked
    expect(await channels.info('a')).toEqual({ occupied: false })
  })
})
