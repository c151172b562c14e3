import { expect, test } from '@playwright/test'

import { MemoryOutbox } from '#fixtures/doubles/pusher-memory-outbox.ts'
import {
  dataOf,
  startPublisherRig,
  TEST_APP,
  type PublisherRig,
  type RigOptions,
} from '#fixtures/doubles/pusher-rig.ts'
import { SteppingClock } from '#fixtures/doubles/stepping-clock.ts'

async function startRelayRig(
  options: RigOptions & { readonly before?: (outbox: MemoryOutbox) => void } = {},
): Promise<PublisherRig & { readonly outbox: MemoryOutbox }> {
  const { before, ...given } = options
  const clock = new SteppingClock(1_700_000_000_000)
  const outbox = new MemoryOutbox(clock)
  before?.(outbox)
  return { ...(await startPublisherRig({ ...given, clock, outbox })), outbox }
}

const counts = (length: number): number[] => Array.from({ length }, (_, n) => n)

test('what waits in the outbox at the start is delivered in its order and acknowledged', async () => {
  const { clock, transport, publisher, outbox } = await startRelayRig({
    latencyMs: 2,
    before: (filled) => {
      for (const n of counts(250)) filled.append(`channel-${n % 7}`, 'counted', n)
    },
  })
  await clock.advance(500)
  for (const channel of counts(7)) {
    const its = transport.delivered.filter((event) => event.channel === `channel-${channel}`)
    expect(dataOf(its)).toEqual(counts(250).filter((n) => n % 7 === channel))
  }
  expect(await outbox.depth()).toMatchObject({ waiting: 0, deadLettered: 0 })
  expect(publisher.stats()).toMatchObject({ accepted: 250, pending: 0, outcomes: { delivered: 250 } })
})

test('a new event wakes the relay, which does not wait for its next look', async () => {
  const { clock, transport, outbox } = await startRelayRig({ pollMs: 60_000 })
  await clock.advance(10)
  outbox.append('a', 'created', 1, '1.2')
  await clock.advance(1)
  expect(transport.delivered).toMatchObject([{ channel: 'a', name: 'created', socketId: '1.2' }])
})

test('an event is not acknowledged before Pusher has answered', async () => {
  const { clock, outbox } = await startRelayRig({ latencyMs: 100, before: (filled) => filled.append('a', 'e', 1) })
  await clock.advance(50)
  expect(await outbox.depth()).toMatchObject({ waiting: 1 })
  await clock.advance(60)
  expect(await outbox.depth()).toMatchObject({ waiting: 0 })
})

test('the id of the outbox travels with the event, so that a repetition is seen as one', async () => {
  const { clock, transport, outbox } = await startRelayRig({ before: (filled) => filled.append('a', 'e', {}) })
  outbox.faults.acknowledge = counts(5).map(() => new Error('database is away'))
  await clock.advance(40_000)
  const stamps = transport.delivered.map(({ data }) => (JSON.parse(data) as { _event: string })._event.split(' ')[0])
  expect(stamps).toEqual(['1', '1'])
  expect(await outbox.depth()).toMatchObject({ waiting: 0 })
})

test('an acknowledgement that fails is repeated', async () => {
  const { clock, transport, outbox } = await startRelayRig({ before: (filled) => filled.append('a', 'e', {}) })
  outbox.faults.acknowledge = [new Error('database is away'), new Error('database is away')]
  await clock.advance(2_000)
  expect(transport.delivered).toHaveLength(1)
  expect(await outbox.depth()).toMatchObject({ waiting: 0 })
})

test('an event that Pusher refuses is set aside, counted and told by health, and its channel goes on', async () => {
  const { clock, transport, publisher, outbox } = await startRelayRig({
    before: (filled) => {
      for (const data of [1, 'poison', 3]) filled.append('private-a', 'e', data)
    },
    script: ({ events }) =>
      dataOf(events).includes('poison') ? { kind: 'refused', scope: 'event', reason: 'http_413' } : undefined,
  })
  await clock.advance(100)
  expect(dataOf(transport.delivered)).toEqual([1, 3])
  expect(await outbox.depth()).toMatchObject({ waiting: 0, deadLettered: 1 })
  expect(publisher.stats().outcomes.dead_lettered).toBe(1)
  expect(await publisher.health()).toMatchObject({ status: 'degraded', reasons: ['outbox: 1 dead letters'] })
})

for (const [what, append] of [
  ['a channel name that is none', (outbox: MemoryOutbox) => outbox.append('a b', 'e', 1)],
  ['too much data', (outbox: MemoryOutbox) => outbox.append('a', 'e', 'x'.repeat(20_000))],
] as const) {
  test(`an event with ${what} is set aside without being sent`, async () => {
    const { clock, transport, publisher, outbox } = await startRelayRig({ before: append })
    await clock.advance(100)
    expect(transport.requests).toEqual([])
    expect(await outbox.depth()).toMatchObject({ waiting: 0, deadLettered: 1 })
    expect(publisher.stats()).toMatchObject({ accepted: 1, pending: 0, outcomes: { dead_lettered: 1 } })
  })
}

test('a refusal for the sake of the app gives events back to rest, in their order', async () => {
  const { clock, transport, outbox } = await startRelayRig({
    appFaultDelayMs: 5_000,
    before: (filled) => {
      for (const n of counts(25)) filled.append('a', 'e', n)
    },
    script: () => ({ kind: 'refused', scope: 'app', reason: 'http_401' }),
  })
  await clock.advance(4_900)
  const tries = transport.requests.length
  expect(tries).toBeLessThanOrEqual(2)
  transport.script = () => undefined
  await clock.advance(10_000)
  expect(dataOf(transport.delivered)).toEqual(counts(25))
  expect(await outbox.depth()).toMatchObject({ waiting: 0, deadLettered: 0 })
})

test('an event that cannot be sent before its lease ends goes back with all that came after it', async () => {
  const { clock, transport, publisher, outbox } = await startRelayRig({
    leaseMs: 2_000,
    failureThreshold: 1_000,
    retryMaxMs: 100,
    before: (filled) => {
      for (const n of counts(5)) filled.append('a', 'e', n)
    },
    script: () => ({ kind: 'unavailable', reason: 'http_503' }),
  })
  await clock.advance(1_500)
  expect(publisher.stats().outcomes.released).toBeGreaterThanOrEqual(5)
  transport.script = () => undefined
  await clock.advance(10_000)
  expect(dataOf(transport.delivered)).toEqual(counts(5))
  expect(await outbox.depth()).toMatchObject({ waiting: 0, deadLettered: 0 })
  const { accepted, outcomes, pending } = publisher.stats()
  expect(accepted).toBe(outcomes.delivered + outcomes.released + pending)
})

test('an event that alone gets a 500 in claim after claim, while others are taken, is set aside and counted, and its channel goes on', async () => {
  const { clock, outbox, publisher, transport } = await startRelayRig({
    leaseMs: 500,
    maxAttempts: 3,
    retryMaxMs: 20,
    before: (filled) => {
      for (const data of ['poison', 'next']) filled.append('a', 'e', data)
    },
    script: ({ events }) =>
      dataOf(events).includes('poison') ? { kind: 'unavailable', reason: 'http_500' } : undefined,
  })
  for (let n = 0; n < 500; n += 1) {
    outbox.append('b', 'e', n)
    await clock.advance(10)
  }
  expect(await outbox.depth()).toMatchObject({ waiting: 0, deadLettered: 1 })
  expect(dataOf(transport.delivered.filter(({ channel }) => channel === 'a'))).toEqual(['next'])
  const { accepted, outcomes, pending, droppedByReason } = publisher.stats()
  expect(outcomes.dead_lettered).toBe(1)
  expect(droppedByReason).toMatchObject({ too_many_attempts: 1 })
  expect(accepted).toBe(outcomes.delivered + outcomes.released + outcomes.dead_lettered + pending)
})

test('an event that was claimed and not sent is never set aside for it', async () => {
  const { clock, transport, outbox } = await startRelayRig({
    leaseMs: 500,
    maxAttempts: 1,
    latencyMs: 100_000,
    poolSize: 1,
    before: (filled) => {
      for (const n of counts(20)) filled.append(`channel-${n}`, 'e', n)
    },
  })
  await clock.advance(10_000)
  expect(await outbox.depth()).toMatchObject({ waiting: 20, deadLettered: 0 })
  expect(transport.requests).toHaveLength(1)
})

test('nothing is claimed while the breaker is open, and all is delivered when Pusher is back', async () => {
  const { clock, transport, publisher, outbox } = await startRelayRig({
    latencyMs: 1,
    maxOpenMs: 4_000,
    script: () => ({ kind: 'unavailable', reason: 'reset' }),
  })
  for (const n of counts(600)) {
    outbox.append(`channel-${n % 30}`, 'e', n)
    await clock.advance(100)
  }
  expect(publisher.stats().pending).toBeLessThanOrEqual(500)
  transport.script = () => undefined
  await clock.advance(40_000)
  for (const channel of counts(30)) {
    const its = transport.delivered.filter((event) => event.channel === `channel-${channel}`)
    expect(dataOf(its)).toEqual(counts(600).filter((n) => n % 30 === channel))
  }
  expect(await outbox.depth()).toMatchObject({ waiting: 0, deadLettered: 0 })
})

test('at most maxOutstanding events are claimed and not ended', async () => {
  const { clock, publisher } = await startRelayRig({
    latencyMs: 10_000,
    maxOutstanding: 40,
    before: (filled) => {
      for (const n of counts(300)) filled.append(`channel-${n}`, 'e', n)
    },
  })
  await clock.advance(100)
  expect(publisher.stats()).toMatchObject({ accepted: 40, pending: 40 })
})

test('an outbox that fails is asked again, and named in the health until it answers', async () => {
  const { clock, transport, publisher, outbox } = await startRelayRig({ pollMs: 500 })
  outbox.faults.claim = [new Error('database is away'), new Error('database is away')]
  await clock.advance(1)
  outbox.append('a', 'e', 1)
  await clock.advance(100)
  expect(await publisher.health()).toMatchObject({ status: 'degraded', reasons: ['outbox: database is away'] })
  await clock.advance(2_000)
  expect(transport.delivered).toHaveLength(1)
  expect(await publisher.health()).toMatchObject({ status: 'healthy' })
})

test('stopping gives back what could not be sent, and claims nothing more', async () => {
  const { clock, transport, publisher, outbox, faults } = await startRelayRig({
    latencyMs: 100,
    before: (filled) => {
      for (const n of counts(300)) filled.append('a', 'e', n)
    },
  })
  await clock.advance(150)
  const stopping = publisher.stop(250)
  await clock.advance(300)
  expect(await stopping).toMatchObject({ abandoned: 0 })
  const { waiting } = await outbox.depth()
  expect(waiting).toBe(300 - transport.delivered.length)
  expect(dataOf(transport.delivered)).toEqual(counts(transport.delivered.length))
  const again = await outbox.claim(300, 1_000)
  expect(again).toHaveLength(waiting)
  expect(faults).toEqual([])
})

test('events of an encrypted channel wait in the outbox, told by health, until the app has a master key; the others go', async () => {
  const { appId, key, secret } = TEST_APP
  const { clock, transport, publisher, outbox } = await startRelayRig({
    app: { appId, key, secret },
    before: (filled) => {
      for (const n of counts(6)) {
        filled.append('private-encrypted-a', 'e', n)
        filled.append('private-b', 'e', n)
      }
    },
  })
  await clock.advance(40_000)
  expect(dataOf(transport.delivered)).toEqual(counts(6))
  expect(await outbox.depth()).toMatchObject({ waiting: 6, deadLettered: 0 })
  const { status, reasons } = await publisher.health()
  expect(status).toBe('degraded')
  expect(reasons.join()).toContain('app 1 has no encryption master key')
  const stopping = publisher.stop(100)
  await clock.advance(200)
  expect(await stopping).toMatchObject({ abandoned: 0 })

  const next = await startPublisherRig({ clock, outbox })
  await clock.advance(60_000)
  expect(next.transport.delivered.map(({ channel }) => channel)).toEqual(counts(6).map(() => 'private-encrypted-a'))
  expect(await outbox.depth()).toMatchObject({ waiting: 0, deadLettered: 0 })
  expect(await next.publisher.health()).toMatchObject({ status: 'healthy' })
})
