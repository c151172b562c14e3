import { expect, test } from '@playwright/test'
import { createPlainPublisher } from '#optimizations/pusher/plain-publisher.ts'
import type { Publisher } from '#optimizations/pusher/publisher.ts'
import { StandInPublisher } from './stand-in-publisher.ts'

const why = (): string => 'no key'

test('it accepts no event, counts each, and says why', async () => {
  const standIn = new StandInPublisher(why)
  await expect(standIn.publish('c', 'e', {})).rejects.toMatchObject({ code: 'pusher_unreachable', retryable: true })
  await expect(standIn.publishMany([{ channel: 'c', event: 'e', data: 1 }])).rejects.toThrow('no key')
  expect(standIn.stats().droppedByReason).toEqual({ pusher_unreachable: 2 })
  expect(await standIn.health()).toEqual({ status: 'unhealthy', reasons: ['no key'] })
  standIn.recordDelivery(1)
  expect(await standIn.stop()).toEqual({ delivered: 0, abandoned: 0 })
})

test('it knows nothing of channels, and lets Pusher repeat its webhooks', async () => {
  const { channels } = new StandInPublisher(why)
  await expect(channels.info('c')).rejects.toThrow('no key')
  await expect(channels.users('c')).rejects.toThrow('no key')
  await expect(channels.terminateConnections('1')).rejects.toThrow('no key')
  expect(await channels.receiveWebhook({ headers: {}, rawBody: '' })).toBe(false)
})

test('once the real publisher is there, everything goes to it', async () => {
  const standIn = new StandInPublisher(why)
  const plain = createPlainPublisher({ appId: '1', key: 'k', secret: 's', host: '127.0.0.1', port: 9, useTls: false })
  const seen: unknown[] = []
  const receipt = { id: '1', settled: Promise.resolve(undefined) }
  const real = {
    ...plain,
    publish: async (...args: unknown[]) => (seen.push(args), receipt),
    publishMany: async (events: unknown) => (seen.push(events), [receipt]),
    health: async () => ({ status: 'healthy', reasons: [] }),
    stop: async (deadlineMs: number) => (seen.push(deadlineMs), { delivered: 4, abandoned: 0 }),
  } as unknown as Publisher
  standIn.become(real)
  await standIn.publish('c', 'e', { a: 1 }, { immediate: true })
  await standIn.publishMany([])
  standIn.recordDelivery(7)
  expect(standIn.stats().deliveryLatency.count).toBe(1)
  expect(standIn.channels).toBe(plain.channels)
  expect((await standIn.health()).status).toBe('healthy')
  expect(await standIn.stop(9)).toEqual({ delivered: 4, abandoned: 0 })
  await standIn[Symbol.asyncDispose]()
  expect(seen).toEqual([['c', 'e', { a: 1 }, { immediate: true }], [], 9, undefined])
})
