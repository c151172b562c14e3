import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

import { expect, test } from '#fixtures/test.ts'
import { connectPusherListener } from '#fixtures/doubles/pusher-listener.ts'
import { transportContract } from '#fixtures/doubles/pusher-transport.contract.ts'
import { isSoketi } from '#fixtures/services/pusher/is-soketi.ts'
import { parseApps } from '#fixtures/services/pusher/server/app-settings.ts'
import { startPusherServer } from '#fixtures/services/pusher/server/server.ts'
import { systemClock } from '#optimizations/kernel/clock.ts'
import { createPlainPublisher } from '#optimizations/pusher/plain-publisher.ts'
import { createPusherTransport } from '#optimizations/pusher/pusher-transport.ts'
import { startPublisher } from '#optimizations/pusher/start-publisher.ts'

const TIMEOUTS = { connectTimeoutMs: 1_000, requestTimeoutMs: 5_000, bodyTimeoutMs: 1_000 }

for (const { title, check } of transportContract) {
  test(`the transport over HTTP ${title}`, async ({ pusher }) => {
    const transport = createPusherTransport(pusher, { poolSize: 2, ...TIMEOUTS }, systemClock)
    // soketi takes ten times as much as the hosted service.
    await check(transport, isSoketi(pusher) ? 102_400 : 10_240)
    await transport.close()
  })
}

test('credentials that Pusher does not know are a fault of the app, and health says so', async ({ pusher }) => {
  await using publisher = await startPublisher({ app: { ...pusher, secret: 'wrong' } })
  const receipt = await publisher.publish('a', 'e', 1)
  expect(await receipt.settled).toMatchObject({ outcome: 'dead_lettered', reason: 'http_401', attempts: 1 })
  expect(await publisher.health()).toMatchObject({ status: 'unhealthy' })
})

test('a server that counts events answers 429, and everything arrives at the rate that it allows', async () => {
  const limit = { maxEventsPerSecond: 50, id: '9', key: 'slow-key', secret: 'slow-secret' }
  await using server = await startPusherServer(
    { host: '127.0.0.1', port: 0, apps: parseApps([limit]), maxConnections: 10 },
    { writeLine: () => undefined },
  )
  const pusher = { appId: '9', key: 'slow-key', secret: 'slow-secret', host: server.host, port: server.port }
  await using listener = await connectPusherListener({ pusher })
  await listener.subscribe('limited')
  await using publisher = await startPublisher({ app: pusher, callsPerSecond: 1_000 })
  for (let n = 0; n < 120; n += 1) await publisher.publish('limited', 'counted', n)
  await expect.poll(() => listener.heardOn('limited').length, { timeout: 20_000 }).toBe(120)
  expect(listener.heardOn('limited')).toEqual(Array.from({ length: 120 }, (_, n) => n))
  expect(publisher.stats().rateLimitHits).toBeGreaterThan(0)
})

test('webhooks of the server keep the state of a channel fresh', async () => {
  const hooks: Array<{ headers: Record<string, string | string[] | undefined>; rawBody: string }> = []
  const endpoint = createServer((request, response) => {
    void text(request).then((rawBody) => {
      hooks.push({ headers: request.headers, rawBody })
      response.end()
    })
  })
  await new Promise<void>((resolve) => endpoint.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}`
  const app = { id: '8', key: 'hook-key', secret: 'hook-secret', webhooks: [{ url }], webhookDelayMs: 50 }
  await using server = await startPusherServer(
    { host: '127.0.0.1', port: 0, apps: parseApps([app]), maxConnections: 10 },
    { writeLine: () => undefined },
  )
  const pusher = { appId: '8', key: 'hook-key', secret: 'hook-secret', host: server.host, port: server.port }
  await using publisher = await startPublisher({ app: pusher, channelState: { ttlMs: 3_600_000 } })
  expect(await publisher.channels.info('hooked')).toEqual({ occupied: false })
  const listener = await connectPusherListener({ pusher })
  await listener.subscribe('hooked')
  const takeHooks = async (): Promise<number> => {
    const taken = await Promise.all(hooks.splice(0).map((hook) => publisher.channels.receiveWebhook(hook)))
    return taken.filter(Boolean).length
  }
  await expect.poll(takeHooks).toBeGreaterThan(0)
  expect(await publisher.channels.info('hooked')).toEqual({ occupied: true })
  await listener[Symbol.asyncDispose]()
  await expect.poll(takeHooks).toBeGreaterThan(0)
  expect(await publisher.channels.info('hooked')).toEqual({ occupied: false })
  endpoint.closeAllConnections()
  endpoint.close()
})

test.describe('the plain publisher, which is the baseline', () => {
  test('sends as the official library does, before publish resolves', async ({ pusher }) => {
    await using listener = await connectPusherListener({ pusher })
    await listener.subscribe('plain', 'plain-2')
    await using publisher = createPlainPublisher(pusher)
    const receipt = await publisher.publish('plain', 'e', { n: 1 }, { socketId: '1.2' })
    expect(await receipt.settled).toMatchObject({ outcome: 'delivered', attempts: 1 })
    await publisher.publishMany([{ channel: ['plain', 'plain-2'], event: 'e', data: { n: 2 } }])
    await expect.poll(() => listener.heardOn('plain')).toEqual([{ n: 1 }, { n: 2 }])
    await expect.poll(() => listener.heardOn('plain-2')).toEqual([{ n: 2 }])
    expect(await publisher.channels.info('plain')).toMatchObject({ occupied: true })
    expect(await publisher.health()).toMatchObject({ status: 'healthy' })
    publisher.recordDelivery(3)
    expect(publisher.stats()).toMatchObject({ accepted: 2, requests: 2, eventsSent: 2, deliveryLatency: { count: 1 } })
    expect(await publisher.stop()).toEqual({ delivered: 2, abandoned: 0 })
  })

  test('loses what Pusher does not take, and counts it (soketi refuses with 200, which the library takes for delivered)', async ({
    pusher,
  }) => {
    await using publisher = createPlainPublisher({ ...pusher, secret: 'wrong' })
    const receipt = await publisher.publish('plain', 'e', 1)
    const refused = { outcome: 'dead_lettered', reason: 'http_401' }
    expect(await receipt.settled).toMatchObject(isSoketi(pusher) ? { outcome: 'delivered' } : refused)
    expect(await publisher.health()).toMatchObject({ status: 'unhealthy' })
    await publisher.publish('no channel', 'e', 1)
    const lost = { failedEvents: 2, successRate: 0, droppedByReason: { http_401: 1, failed: 1 } }
    expect(publisher.stats()).toMatchObject(
      isSoketi(pusher) ? { failedEvents: 1, droppedByReason: { failed: 1 } } : lost,
    )
  })
})
