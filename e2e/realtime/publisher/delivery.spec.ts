import { expect, test } from '#fixtures/test.ts'
import { connectPusherListener } from '#fixtures/doubles/pusher-listener.ts'
import { PusherFaultGateway } from '#fixtures/doubles/pusher-fault-gateway.ts'
import { createChannelAuthorizer } from '#optimizations/pusher/channel-authorization.ts'
import { startPublisher } from '#optimizations/pusher/start-publisher.ts'

const counts = (length: number): number[] => Array.from({ length }, (_, n) => n)
const encryptionMasterKeyBase64 = Buffer.alloc(32, 5).toString('base64')

test('what is published arrives once, as it was published, in order on every channel', async ({ pusher }) => {
  await using listener = await connectPusherListener({ pusher })
  await using publisher = await startPublisher({ app: pusher, callsPerSecond: 100_000 })
  const channels = counts(20).map((n) => `ordered-${n}`)
  await listener.subscribe(...channels)
  for (const n of counts(2_000)) await publisher.publish(channels[n % 20] ?? '', 'counted', { n, text: 'ü"\\\u2028' })
  await expect.poll(() => listener.heard.length).toBe(2_000)
  for (const [index, channel] of channels.entries()) {
    const its = counts(100).map((round) => ({ n: round * 20 + index, text: 'ü"\\\u2028' }))
    expect(listener.heardOn(channel)).toEqual(its)
  }
  expect(listener.counts).toEqual({ arrivals: 2_000, gaps: 0 })
  expect(publisher.stats().requestsPerEvent).toBeLessThan(0.3)
})

test('200 concurrent publishes open five connections at most', async ({ pusher }) => {
  await using gateway = await PusherFaultGateway.start(pusher)
  await using publisher = await startPublisher({ app: { ...pusher, port: gateway.port }, callsPerSecond: 100_000 })
  const receipts = await Promise.all(counts(200).map((n) => publisher.publish(`socket-${n}`, 'e', n)))
  const ends = await Promise.all(receipts.map((receipt) => receipt.settled))
  expect(ends.every(({ outcome }) => outcome === 'delivered')).toBe(true)
  expect(gateway.counts.connections).toBeLessThanOrEqual(5)
  expect(gateway.counts.requests).toBeLessThanOrEqual(25)
})

test('the connection that caused an event does not get it, and sees no gap in what follows', async ({ pusher }) => {
  await using cause = await connectPusherListener({ pusher })
  await using other = await connectPusherListener({ pusher })
  await Promise.all([cause.subscribe('echo'), other.subscribe('echo')])
  await using publisher = await startPublisher({ app: pusher })
  await publisher.publish('echo', 'e', 1)
  await publisher.publish('echo', 'e', 2, { socketId: cause.socketId })
  await publisher.publish('echo', 'e', 3)
  await expect.poll(() => other.heardOn('echo')).toEqual([1, 2, 3])
  await expect.poll(() => cause.heardOn('echo')).toEqual([1, 3])
  expect(cause.counts.gaps).toBe(0)
})

test('one event to a hundred channels takes one request and reaches each of them', async ({ pusher }) => {
  await using gateway = await PusherFaultGateway.start(pusher)
  await using listener = await connectPusherListener({ pusher })
  const channels = counts(100).map((n) => `wide-${n}`)
  await listener.subscribe(...channels)
  await using publisher = await startPublisher({ app: { ...pusher, port: gateway.port } })
  await publisher.publish(channels, 'announced', { n: 1 })
  await expect.poll(() => listener.heard.length).toBe(100)
  expect(gateway.counts.requests).toBe(1)
})

test('an encrypted event that had to be sent again is decrypted by its subscriber', async ({ pusher }) => {
  const app = { ...pusher, encryptionMasterKeyBase64 }
  const authorizer = createChannelAuthorizer({ app, policy: async () => true })
  await using gateway = await PusherFaultGateway.start(pusher)
  await using listener = await connectPusherListener({
    pusher,
    authorize: (socketId, channel) => authorizer.authorize({ id: 'u' }, socketId, channel),
  })
  await listener.subscribe('private-encrypted-grades')
  await using publisher = await startPublisher({ app: { ...app, port: gateway.port }, retryBaseMs: 5 })
  let requests = 0
  gateway.plan = () => ((requests += 1) <= 2 ? { kind: 'status', status: 503 } : undefined)
  await publisher.publish('private-encrypted-grades', 'graded', { grade: 1, text: 'très bien' })
  await publisher.publish('private-encrypted-grades', 'graded', [2])
  await expect.poll(() => listener.heardOn('private-encrypted-grades')).toEqual([{ grade: 1, text: 'très bien' }, [2]])
  expect(publisher.stats().retries).toBeGreaterThanOrEqual(2)
})

test('an event that Pusher finds too large lets the nine of its batch through', async ({ pusher }) => {
  await using listener = await connectPusherListener({ pusher })
  await listener.subscribe('sizes')
  await using gateway = await PusherFaultGateway.start(pusher)
  // A Pusher with a smaller limit than the publisher knows of.
  gateway.plan = ({ body }) =>
    body.includes('y'.repeat(5_000)) ? { kind: 'status', status: 413, body: 'too large' } : undefined
  await using publisher = await startPublisher({ app: { ...pusher, port: gateway.port } })
  const receipts = await publisher.publishMany(
    counts(10).map((n) => ({ channel: 'sizes', event: 'e', data: { n, fill: n === 4 ? 'y'.repeat(5_000) : '' } })),
  )
  const ends = await Promise.all(receipts.map((receipt) => receipt.settled))
  expect(ends.map(({ outcome }) => outcome)).toEqual(counts(10).map((n) => (n === 4 ? 'dead_lettered' : 'delivered')))
  await expect
    .poll(() => listener.heardOn('sizes'))
    .toEqual(
      counts(10)
        .filter((n) => n !== 4)
        .map((n) => ({ n, fill: '' })),
    )
  expect(listener.counts.gaps).toBe(1)
})

test('the time from publish to callback is measured by what the subscriber reports', async ({ pusher }) => {
  await using listener = await connectPusherListener({ pusher })
  await listener.subscribe('timed')
  await using publisher = await startPublisher({ app: pusher })
  for (const n of counts(20)) await publisher.publish('timed', 'e', n)
  await expect.poll(() => listener.latenciesMs.length).toBe(20)
  for (const latencyMs of listener.latenciesMs) publisher.recordDelivery(latencyMs)
  expect(publisher.stats().deliveryLatency).toMatchObject({ count: 20 })
})
