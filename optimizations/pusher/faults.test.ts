import { expect, test } from '@playwright/test'

import { dataOf, startPublisherRig } from '#fixtures/doubles/pusher-rig.ts'
import type { Script } from '#fixtures/doubles/pusher-scripted-transport.ts'
import { classifyAnswer } from './classify-answer.ts'
import type { HttpAnswer } from './http-answer.ts'
import type { SendOutcome } from './send-outcome.ts'

const UNAVAILABLE: SendOutcome = { kind: 'unavailable', reason: 'http_503' }

const answerOf = (status: number, body: string): HttpAnswer => ({
  status,
  body,
  retryAfterMs: undefined,
  fault: undefined,
})

/** Answers with `outcome` for so many requests that carry the channel. */
function failing(channel: string, times: number, outcome: SendOutcome = UNAVAILABLE): Script {
  let left = times
  return ({ events }) => {
    if (!events.some((event) => event.channel === channel) || left === 0) return undefined
    left -= 1
    return outcome
  }
}

test('an event is sent again after a 5xx until it is delivered', async () => {
  const { clock, transport, publisher } = await startPublisherRig()
  transport.script = failing('a', 3)
  const receipt = await publisher.publish('a', 'created', { n: 1 })
  await clock.advance(10_000)
  expect(await receipt.settled).toMatchObject({ outcome: 'delivered', attempts: 4 })
  expect(publisher.stats()).toMatchObject({ retries: 3, connectionErrors: 3, requests: 4, eventsSent: 1 })
})

test('a retry sends the same bytes, also of an encrypted event', async () => {
  const { clock, transport, publisher } = await startPublisherRig()
  transport.script = failing('private-encrypted-a', 2)
  await publisher.publish('private-encrypted-a', 'created', { n: 1 })
  await clock.advance(10_000)
  const sent = transport.requests.map(({ events }) => events[0]?.data)
  expect(sent).toHaveLength(3)
  expect(new Set(sent).size).toBe(1)
})

test('the order of a channel holds through retries', async () => {
  const { clock, transport, publisher } = await startPublisherRig({ latencyMs: 2 })
  transport.script = failing('a', 4)
  for (let n = 0; n < 25; n += 1) await publisher.publish('a', 'counted', n)
  await clock.advance(20_000)
  expect(dataOf(transport.delivered)).toEqual(Array.from({ length: 25 }, (_, n) => n))
})

test('a channel that keeps failing delays none of those that shared its first request', async () => {
  const { clock, transport, publisher } = await startPublisherRig({ latencyMs: 1 })
  transport.script = failing('bad', 1_000)
  void publisher.publish('bad', 'created', 'bad')
  for (let n = 0; n < 9; n += 1) void publisher.publish(`good-${n}`, 'created', n)
  await clock.advance(400)
  expect(transport.delivered).toHaveLength(9)
  for (let n = 0; n < 200; n += 1) {
    const receipt = await publisher.publish(`good-${n % 9}`, 'created', n)
    await clock.advance(5)
    expect(await receipt.settled).toMatchObject({ outcome: 'delivered' })
  }
})

test('an event that keeps failing is dead-lettered at the age of giveUpAfterMs, and the next of its channel goes on', async () => {
  const { clock, transport, publisher } = await startPublisherRig({ giveUpAfterMs: 5_000, retryMaxMs: 500 })
  transport.script = ({ events }) => (dataOf(events).includes('bad') ? UNAVAILABLE : undefined)
  const bad = await publisher.publish('a', 'created', 'bad')
  await clock.advance(1_000)
  const next = await publisher.publish('a', 'created', 'next', {})
  await clock.advance(30_000)
  expect(await bad.settled).toMatchObject({ outcome: 'dead_lettered', reason: 'gave_up_http_503' })
  expect(await next.settled).toMatchObject({ outcome: 'delivered' })
})

for (const reason of ['http_400', 'http_413', 'http_422']) {
  test(`${reason} is not retried, and condemns only the event that deserves it`, async () => {
    const { clock, transport, publisher } = await startPublisherRig()
    transport.script = ({ events }) =>
      dataOf(events).includes(6) ? { kind: 'refused', scope: 'event', reason } : undefined
    const receipts = await publisher.publishMany(
      Array.from({ length: 10 }, (_, n) => ({ channel: `channel-${n % 3}`, event: 'counted', data: n })),
    )
    await clock.advance(60_000)
    const ends = await Promise.all(receipts.map((receipt) => receipt.settled))
    expect(ends.map(({ outcome }) => outcome === 'delivered')).toEqual(ends.map((_, n) => n !== 6))
    expect(ends[6]).toMatchObject({ outcome: 'dead_lettered', reason })
    const alone = transport.requests.filter(({ events }) => events.length === 1 && dataOf(events)[0] === 6)
    expect(alone).toHaveLength(1)
    const lane = transport.delivered.filter(({ channel }) => channel === 'channel-0')
    expect(dataOf(lane)).toEqual([0, 3, 9])
  })
}

for (const answer of [
  { status: 307, body: '' },
  { status: 405, body: 'Method Not Allowed' },
  { status: 421, body: '<html>Misdirected Request</html>' },
  { status: 400, body: '<html>Bad Request</html>' },
  { status: 404, body: '<html>Not Found</html>' },
  { status: 200, body: '<html>It works!</html>' },
]) {
  test(`a gateway that answers ${answer.status} with ${answer.body || 'nothing'} for 0.7 s costs no event, and is told`, async () => {
    const { clock, transport, publisher } = await startPublisherRig()
    const usual = transport.answer
    transport.answer = { ...answer, retryAfterMs: undefined, fault: undefined }
    transport.script = () => classifyAnswer(transport.answer)
    const receipts = await publisher.publishMany(
      Array.from({ length: 50 }, (_, n) => ({ channel: `channel-${n % 7}`, event: 'counted', data: n })),
    )
    await clock.advance(700)
    expect((await publisher.health()).status).toBe('unhealthy')
    expect(publisher.stats().connectionErrors).toBeGreaterThan(0)
    transport.answer = usual
    transport.script = () => undefined
    await clock.advance(10_000)
    const ends = await Promise.all(receipts.map((receipt) => receipt.settled))
    expect(ends.filter(({ outcome }) => outcome === 'delivered')).toHaveLength(50)
    expect(await publisher.health()).toMatchObject({ status: 'healthy' })
  })
}

test('a batch that is too large for a gateway goes through in parts, and what is too large by itself waits', async () => {
  const { clock, transport, publisher } = await startPublisherRig()
  transport.script = ({ events }) =>
    events.length > 3 || dataOf(events).includes('large') ? classifyAnswer(answerOf(413, '<html>')) : undefined
  const data = [...Array.from({ length: 9 }, (_, n) => n), 'large']
  await publisher.publishMany(data.map((value, n) => ({ channel: `channel-${n}`, event: 'e', data: value })))
  await clock.advance(20)
  expect(dataOf(transport.delivered)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
  expect(publisher.stats()).toMatchObject({ pending: 1, outcomes: { dead_lettered: 0 } })
  transport.script = () => undefined
  await clock.advance(1_000)
  expect(dataOf(transport.delivered).at(-1)).toBe('large')
})

test('whatever is thrown while sending ends as an outcome, and what comes after is sent', async () => {
  const { clock, transport, publisher } = await startPublisherRig({ poolSize: 1, failureThreshold: 1 })
  const send = transport.send.bind(transport)
  let throws = 3
  transport.send = (...request) => {
    throws -= 1
    if (throws >= 0) throw new TypeError('cannot sign')
    return send(...request)
  }
  const receipt = await publisher.publish('a', 'created', 1)
  await clock.advance(20)
  expect(await publisher.health()).toMatchObject({ status: 'degraded', reasons: ['app 1: breaker open'] })
  await clock.advance(30_000)
  expect(await receipt.settled).toMatchObject({ outcome: 'delivered', attempts: 4 })
  expect(await publisher.health()).toMatchObject({ status: 'healthy' })
})

test('a fault in the middle of a split leaves the order of every channel as it was', async () => {
  const { clock, transport, publisher } = await startPublisherRig({ latencyMs: 1 })
  let requests = 0
  transport.script = ({ events }) => {
    requests += 1
    if (requests === 2) return UNAVAILABLE
    return dataOf(events).includes('poison') ? { kind: 'refused', scope: 'event', reason: 'http_400' } : undefined
  }
  const data = [0, 'poison', 2, 3, 4, 5, 6, 7, 8, 9]
  await publisher.publishMany(data.map((value) => ({ channel: 'a', event: 'counted', data: value })))
  await clock.advance(20_000)
  expect(dataOf(transport.delivered)).toEqual([0, 2, 3, 4, 5, 6, 7, 8, 9])
})

test('a refusal for the sake of the app is tried once and ends every event of the request', async () => {
  const { clock, transport, publisher } = await startPublisherRig()
  transport.script = () => ({ kind: 'refused', scope: 'app', reason: 'http_401' })
  const receipts = await publisher.publishMany([1, 2, 3].map((n) => ({ channel: `c-${n}`, event: 'e', data: n })))
  await clock.advance(60_000)
  expect(transport.requests).toHaveLength(1)
  for (const receipt of receipts) {
    expect(await receipt.settled).toMatchObject({ outcome: 'dead_lettered', reason: 'http_401', attempts: 1 })
  }
})

test.describe('429', () => {
  test('holds everything back for as long as Retry-After says', async () => {
    const { clock, transport, publisher } = await startPublisherRig()
    transport.script = failing('a', 1, { kind: 'throttled', reason: 'http_429', retryAfterMs: 3_000 })
    await publisher.publish('a', 'created', 1)
    await clock.advance(10)
    await publisher.publish('b', 'created', 2)
    await clock.advance(2_900)
    expect(transport.delivered).toEqual([])
    await clock.advance(200)
    expect(dataOf(transport.delivered)).toEqual([1, 2])
    expect(publisher.stats()).toMatchObject({ rateLimitHits: 1, connectionErrors: 0 })
  })

  test('without Retry-After is answered with growing pauses', async () => {
    const { clock, transport, publisher } = await startPublisherRig({ retryBaseMs: 100 })
    transport.script = failing('a', 6, { kind: 'throttled', reason: 'http_429' })
    await publisher.publish('a', 'created', 1)
    await clock.advance(30_000)
    expect(dataOf(transport.delivered)).toEqual([1])
    expect(transport.requests).toHaveLength(7)
  })

  test('lowers the rate, which quiet time brings back', async () => {
    const { clock, transport, publisher } = await startPublisherRig({ callsPerSecond: 1_000 })
    transport.script = failing('a', 1, { kind: 'throttled', reason: 'http_429', retryAfterMs: 0 })
    await publisher.publish('a', 'created', 1)
    await clock.advance(10)
    expect(publisher.stats().rateLimit.current).toBeLessThan(600)
    await clock.advance(20_000)
    expect(publisher.stats().rateLimit).toEqual({ callsPerSecond: 1_000, current: 1_000 })
  })

  test('does not open the breaker', async () => {
    const { clock, transport, publisher } = await startPublisherRig({ failureThreshold: 2 })
    transport.script = failing('a', 20, { kind: 'throttled', reason: 'http_429', retryAfterMs: 5 })
    await publisher.publish('a', 'created', 1)
    await clock.advance(50)
    expect(publisher.stats()).toMatchObject({ breaker: 'closed' })
  })
})

test.describe('the breaker', () => {
  test('opens after five failures in a row, and lets one probe through at a time', async () => {
    const { clock, transport, publisher } = await startPublisherRig({ retryMaxMs: 50, minOpenMs: 1_000 })
    transport.script = () => UNAVAILABLE
    await publisher.publishMany(
      Array.from({ length: 200 }, (_, n) => ({ channel: `channel-${n}`, event: 'e', data: n })),
    )
    await clock.advance(400)
    expect(publisher.stats().breaker).toBe('open')
    const before = transport.requests.length
    expect(before).toBe(5)
    await clock.advance(1_000)
    expect(transport.requests).toHaveLength(before + 1)
  })

  test('closes with the first success, and everything that waited is delivered', async () => {
    const { clock, transport, publisher } = await startPublisherRig({ latencyMs: 1, maxOpenMs: 4_000 })
    transport.script = () => UNAVAILABLE
    const receipts = await publisher.publishMany(
      Array.from({ length: 200 }, (_, n) => ({ channel: `channel-${n % 20}`, event: 'e', data: n })),
    )
    await clock.advance(60_000)
    expect(transport.requests.length).toBeLessThan(40)
    transport.script = () => undefined
    await clock.advance(4_500)
    const ends = await Promise.all(receipts.map((receipt) => receipt.settled))
    expect(ends.every(({ outcome }) => outcome === 'delivered')).toBe(true)
    expect(publisher.stats()).toMatchObject({ breaker: 'closed', pending: 0 })
  })

  test('does not open for refusals', async () => {
    const { clock, transport, publisher } = await startPublisherRig()
    transport.script = () => ({ kind: 'refused', scope: 'event', reason: 'http_400' })
    for (let n = 0; n < 20; n += 1) await publisher.publish(`channel-${n}`, 'e', n)
    await clock.advance(100)
    expect(publisher.stats()).toMatchObject({ breaker: 'closed', outcomes: { dead_lettered: 20 } })
  })

  test('a Retry-After of a 503 is honoured too', async () => {
    const { clock, transport, publisher } = await startPublisherRig({ retryMaxMs: 10 })
    transport.script = failing('a', 1, { ...UNAVAILABLE, retryAfterMs: 2_000 })
    await publisher.publish('a', 'created', 1)
    await clock.advance(1_990)
    expect(transport.requests).toHaveLength(1)
    await clock.advance(20)
    expect(transport.requests).toHaveLength(2)
  })
})
