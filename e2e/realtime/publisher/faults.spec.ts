import { expect, test } from '#fixtures/test.ts'
import { connectPusherListener } from '#fixtures/doubles/pusher-listener.ts'
import { PusherFaultGateway, type GatewayFault } from '#fixtures/doubles/pusher-fault-gateway.ts'
import { randomInteger, seededRandom, type Random } from '#optimizations/kernel/random.ts'
import { startPublisher } from '#optimizations/pusher/start-publisher.ts'

const counts = (length: number): number[] => Array.from({ length }, (_, n) => n)

/** Fast enough for a test, in the proportions of the defaults. */
const QUICK = {
  callsPerSecond: 100_000,
  requestTimeoutMs: 250,
  bodyTimeoutMs: 50,
  retryBaseMs: 5,
  retryMaxMs: 100,
  minOpenMs: 20,
  maxOpenMs: 100,
}

const FAULTS: ReadonlyArray<{ readonly what: string; readonly fault: GatewayFault; readonly repeats: boolean }> = [
  { what: '429 with Retry-After', fault: { kind: 'status', status: 429, retryAfter: '0.02' }, repeats: false },
  { what: '429 without Retry-After', fault: { kind: 'status', status: 429 }, repeats: false },
  { what: '500', fault: { kind: 'status', status: 500 }, repeats: false },
  { what: '503 with Retry-After', fault: { kind: 'status', status: 503, retryAfter: '0.02' }, repeats: false },
  {
    what: 'a 429 that says 200',
    fault: { kind: 'status', status: 200, body: '{"error":"slow","code":429}' },
    repeats: false,
  },
  { what: 'a reset before delivery', fault: { kind: 'reset', isDelivered: false }, repeats: false },
  { what: 'a reset after delivery', fault: { kind: 'reset', isDelivered: true }, repeats: true },
  { what: 'silence', fault: { kind: 'silence', isDelivered: false }, repeats: false },
  { what: 'silence after delivery', fault: { kind: 'silence', isDelivered: true }, repeats: true },
  { what: 'an answer that breaks off', fault: { kind: 'truncate' }, repeats: false },
  { what: 'an answer that drips', fault: { kind: 'drip' }, repeats: false },
]

for (const { what, fault, repeats } of FAULTS) {
  test(`with ${what} on every third request, every event arrives once and in order`, async ({ pusher, seed }) => {
    test.setTimeout(60_000)
    await using listener = await connectPusherListener({ pusher })
    const channels = counts(8).map((n) => `faults-${n}`)
    await listener.subscribe(...channels)
    await using gateway = await PusherFaultGateway.start(pusher)
    const random = seededRandom(seed)
    let faults = 0
    gateway.plan = () => {
      if (random() >= 1 / 3) return undefined
      faults += 1
      return fault
    }
    await using publisher = await startPublisher({ app: { ...pusher, port: gateway.port }, ...QUICK })
    for (const n of counts(320)) {
      await publisher.publish(channels[n % 8] ?? '', 'counted', n)
      if (n % 20 === 19) await expect.poll(() => publisher.stats().pending).toBeLessThan(40)
    }
    await expect.poll(() => publisher.stats().pending).toBe(0)
    await expect.poll(() => listener.heard.length).toBe(320)
    for (const [index, channel] of channels.entries()) {
      expect(listener.heardOn(channel)).toEqual(counts(40).map((round) => round * 8 + index))
    }
    expect(faults).toBeGreaterThan(0)
    // A slow machine may let a request time out that was not meant to: duplicates are always possible, at times certain.
    expect(listener.counts.arrivals).toBeGreaterThanOrEqual(repeats ? 321 : 320)
    expect(listener.counts.gaps).toBe(0)
    expect(publisher.stats()).toMatchObject({ accepted: 320, outcomes: { delivered: 320 }, failedEvents: 0 })
    test.info().annotations.push({
      type: 'faults',
      description: `${what}: ${faults} faults, 320 delivered, ${listener.counts.arrivals - 320} duplicates, in order`,
    })
  })
}

function anyFault(random: Random, share: number): GatewayFault | undefined {
  if (random() >= share) return undefined
  return FAULTS[randomInteger(random, FAULTS.length)]?.fault
}

test('of a flood over a hundred channels with all faults at once nothing is lost and nothing is out of order', async ({
  pusher,
  intensity,
  seed,
}) => {
  test.setTimeout(60_000 + 300_000 * intensity)
  const total = 100_000 * intensity
  await using listener = await connectPusherListener({ pusher })
  const channels = counts(100).map((n) => `flood-${n}`)
  await listener.subscribe(...channels)
  await using gateway = await PusherFaultGateway.start(pusher)
  const random = seededRandom(seed)
  gateway.plan = () => anyFault(random, 0.02)
  await using publisher = await startPublisher({ app: { ...pusher, port: gateway.port }, ...QUICK })
  const expected = new Map<string, number[]>(channels.map((channel) => [channel, []]))
  for (let n = 0; n < total; n += 1) {
    const channel = `flood-${randomInteger(random, 100)}`
    expected.get(channel)?.push(n)
    const receipt = await publisher.publish(channel, 'counted', n)
    if (n % 1_000 === 999) await receipt.settled
  }
  await expect.poll(() => publisher.stats().pending, { timeout: 30_000 }).toBe(0)
  await expect.poll(() => listener.heard.length).toBe(total)
  for (const channel of channels) expect(listener.heardOn(channel)).toEqual(expected.get(channel))
  const { accepted, outcomes, retries, requestsPerEvent } = publisher.stats()
  expect({ accepted, ...outcomes }).toEqual({
    accepted: total,
    delivered: total,
    coalesced: 0,
    refused: 0,
    expired: 0,
    dead_lettered: 0,
    released: 0,
  })
  expect(listener.counts.gaps).toBe(0)
  test.info().annotations.push({
    type: 'flood',
    description: `${total} events, ${retries} sent again, ${listener.counts.arrivals - total} duplicates, ${requestsPerEvent.toFixed(3)} requests an event`,
  })
})

test('while Pusher is away publishing goes on, memory stays bounded, and everything arrives afterwards', async ({
  pusher,
  intensity,
}) => {
  const outageMs = 60_000 * intensity
  test.setTimeout(60_000 + outageMs)
  await using listener = await connectPusherListener({ pusher })
  const channels = counts(20).map((n) => `outage-${n}`)
  await listener.subscribe(...channels)
  await using gateway = await PusherFaultGateway.start(pusher)
  await using publisher = await startPublisher({
    app: { ...pusher, port: gateway.port },
    ...QUICK,
    maxOpenMs: 500,
    maxQueuedEvents: Math.ceil(outageMs / 5) + 100,
  })
  gateway.plan = () => ({ kind: 'reset', isDelivered: false })
  const until = Date.now() + outageMs
  let published = 0
  while (Date.now() < until) {
    await publisher.publish(channels[published % 20] ?? '', 'counted', published)
    published += 1
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  expect(listener.heard).toEqual([])
  expect(publisher.stats()).toMatchObject({ pending: published, breaker: expect.stringMatching(/open/) })
  expect(gateway.counts.requests).toBeLessThan(20 + outageMs / 100)
  gateway.plan = () => undefined
  await expect.poll(() => listener.heard.length).toBe(published)
  for (const [index, channel] of channels.entries()) {
    expect(listener.heardOn(channel)).toEqual(counts(published).filter((n) => n % 20 === index))
  }
  expect(publisher.stats()).toMatchObject({ pending: 0, queuedBytes: 0, breaker: 'closed' })
})

test('a Pusher that freezes and thaws gets everything, some of it twice, and subscribers hear it once', async ({
  pusher,
}) => {
  await using listener = await connectPusherListener({ pusher })
  const channels = counts(5).map((n) => `frozen-${n}`)
  await listener.subscribe(...channels)
  await using gateway = await PusherFaultGateway.start(pusher)
  await using publisher = await startPublisher({ app: { ...pusher, port: gateway.port }, ...QUICK })
  for (const n of counts(100)) {
    if (n === 40) gateway.freeze()
    await publisher.publish(channels[n % 5] ?? '', 'counted', n)
    if (n < 40) await expect.poll(() => publisher.stats().pending).toBe(0)
  }
  await expect.poll(() => publisher.stats().connectionErrors).toBeGreaterThanOrEqual(3)
  gateway.thaw()
  await expect.poll(() => publisher.stats().pending).toBe(0)
  await expect.poll(() => listener.heard.length).toBe(100)
  for (const [index, channel] of channels.entries()) {
    expect(listener.heardOn(channel)).toEqual(counts(20).map((round) => round * 5 + index))
  }
})

test('a stop with a deadline delivers what it can, and says what it could not', async ({ pusher }) => {
  await using gateway = await PusherFaultGateway.start(pusher)
  const publisher = await startPublisher({ app: { ...pusher, port: gateway.port }, ...QUICK })
  const good = await publisher.publish('stopping', 'e', 1)
  await good.settled
  gateway.freeze()
  const stuck = await publisher.publish('stopping', 'e', 2)
  expect(await publisher.stop(300)).toMatchObject({ abandoned: 1 })
  expect(await stuck.settled).toMatchObject({ outcome: 'dead_lettered', reason: 'stopped' })
  await expect.poll(() => gateway.counts.open).toBe(0)
})
