import { PusherFaultGateway } from '#fixtures/doubles/pusher-fault-gateway.ts'
import { connectPusherListener, type PusherListener } from '#fixtures/doubles/pusher-listener.ts'
import { ServiceError } from '#fixtures/services/errors.ts'
import { startEmbeddedPusher } from '#fixtures/services/pusher/embedded-pusher.ts'
import { expect, test } from '#fixtures/test.ts'
import { startPublisher } from '#optimizations/pusher/start-publisher.ts'

const CHANNELS = Array.from({ length: 5 }, (_, n) => `broken-${n}`)
const counts = (length: number): number[] => Array.from({ length }, (_, n) => n)
const QUICK = { callsPerSecond: 100_000, requestTimeoutMs: 300, retryBaseMs: 5, retryMaxMs: 100, maxOpenMs: 200 }

/** A server of the test's own, since it is stopped and killed. */
async function startBreakableServer() {
  const service = await startEmbeddedPusher()
  const { apps, address, process } = service
  if (process === undefined) throw new ServiceError('no_way', 'only an embedded service can be broken')
  return { app: { ...apps[0], ...address }, process, [Symbol.asyncDispose]: () => service.stop() }
}

function expectAll(listener: PusherListener, total: number): void {
  for (const [index, channel] of CHANNELS.entries()) {
    expect(listener.heardOn(channel)).toEqual(counts(total).filter((n) => n % CHANNELS.length === index))
  }
}

test('a server that is stopped by SIGSTOP in the middle of a flood and goes on later gets every event, in order', async () => {
  await using server = await startBreakableServer()
  await using listener = await connectPusherListener({ pusher: server.app })
  await listener.subscribe(...CHANNELS)
  await using publisher = await startPublisher({ app: server.app, ...QUICK })
  const publish = (n: number) => publisher.publish(CHANNELS[n % CHANNELS.length] ?? '', 'counted', n)
  for (const n of counts(200)) await publish(n)
  await server.process.freeze()
  try {
    for (const n of counts(200)) await publish(200 + n)
    await expect.poll(() => publisher.stats().breaker).toMatch(/open/)
    expect(await publisher.health()).toMatchObject({ status: 'unhealthy' })
  } finally {
    await server.process.thaw()
  }
  await expect.poll(() => publisher.stats().pending).toBe(0)
  await expect.poll(() => listener.heard.length).toBe(400)
  expectAll(listener, 400)
  expect(publisher.stats()).toMatchObject({ accepted: 400, outcomes: { delivered: 400 }, breaker: 'closed' })
  expect(await publisher.health()).toMatchObject({ status: 'healthy' })
  test.info().annotations.push({
    type: 'faults',
    description: `server frozen: 400 delivered, ${listener.counts.arrivals - 400} duplicates, in order`,
  })
})

test('a server that was killed and started again gets every event, as soon as its subscribers are back', async () => {
  await using server = await startBreakableServer()
  await using listener = await connectPusherListener({ pusher: server.app })
  await listener.subscribe(...CHANNELS)
  await using gateway = await PusherFaultGateway.start(server.app)
  await using publisher = await startPublisher({ app: { ...server.app, port: gateway.port }, ...QUICK })
  const publish = (n: number) => publisher.publish(CHANNELS[n % CHANNELS.length] ?? '', 'counted', n)
  for (const n of counts(100)) await publish(n)
  await expect.poll(() => listener.heard.length).toBe(100)
  // Pusher keeps nothing for those who are not there: the publisher is to be later than they.
  gateway.plan = () => ({ kind: 'reset', isDelivered: false })
  await server.process.kill()
  await expect.poll(() => listener.client.connection.state).not.toBe('connected')
  for (const n of counts(100)) await publish(100 + n)
  await expect.poll(() => publisher.stats().breaker).toMatch(/open/)
  await server.process.restart()
  // By itself pusher-js would be back after ten seconds.
  listener.client.disconnect()
  listener.client.connect()
  const isBack = (): boolean =>
    listener.client.connection.state === 'connected' && listener.client.channels.all().every((its) => its.subscribed)
  await expect.poll(isBack).toBe(true)
  gateway.plan = () => undefined
  await expect.poll(() => listener.heard.length).toBe(200)
  expectAll(listener, 200)
  expect(listener.counts.gaps).toBe(0)
  expect(publisher.stats()).toMatchObject({ accepted: 200, outcomes: { delivered: 200 }, breaker: 'closed' })
})
