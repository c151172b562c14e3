import { randomUUID } from 'node:crypto'

import { systemClock, type Clock } from '#optimizations/kernel/clock.ts'
import { describeError } from '#optimizations/kernel/errors.ts'
import type { Health } from '#optimizations/kernel/health.ts'
import { isChannelList } from './classify-answer.ts'
import { HttpChannelState } from './channel-state.ts'
import { createPusherLibrary, type PusherApp } from './pusher-app.ts'
import { createPusherTransport } from './pusher-transport.ts'
import { PublisherStatistics } from './publisher-statistics.ts'
import type { EventOutcome } from './event-outcome.ts'
import { WebhookMemory, type SharedWebhookMemory } from './webhook-memory.ts'
import type { EventToPublish, Publisher, PublishOptions, PublishReceipt } from './publisher.ts'

const ASKING = { poolSize: 1, connectTimeoutMs: 3_000, requestTimeoutMs: 10_000, bodyTimeoutMs: 1_000 }
const CHANNELS = { ttlMs: 5_000, maxChannels: 10_000, asksSubscriptionCounts: false }

/**
 * The honest baseline for OPTIMIZE_PUSHER=off: the official library's `trigger`, awaited by whoever publishes. No
 * batching, no order, no retry, no limit: an event that Pusher does not take at once is lost, and counted.
 */
export function createPlainPublisher(
  app: PusherApp,
  {
    clock = systemClock,
    sharedWebhookMemory: shared,
  }: { readonly clock?: Clock; readonly sharedWebhookMemory?: SharedWebhookMemory | undefined } = {},
): Publisher {
  const library = createPusherLibrary(app)
  const statistics = new PublisherStatistics()

  const send = async (channel: string | readonly string[], event: string, data: unknown, given: PublishOptions) => {
    const began = clock.monotonic()
    const end = (outcome: EventOutcome['outcome'], reason: string): EventOutcome => {
      const ended = { outcome, reason, attempts: 1, latencyMs: clock.monotonic() - began }
      statistics.recordEnd(String(channel), ended)
      return ended
    }
    statistics.accepted += 1
    statistics.requests += 1
    statistics.eventsRequested += 1
    try {
      const channels = typeof channel === 'string' ? channel : [...channel]
      const answer = await library.trigger(
        channels,
        event,
        data,
        given.socketId === undefined ? {} : { socket_id: given.socketId },
      )
      await answer.text()
      return end('delivered', 'ok')
    } catch (error) {
      const { status } = error as { readonly status?: number }
      return end('dead_lettered', status === undefined ? 'failed' : `http_${status}`)
    }
  }

  const publish: Publisher['publish'] = async (channel, event, data, given = {}) => {
    const ended = await send(channel, event, data, given)
    return { id: randomUUID(), settled: Promise.resolve(ended) }
  }
  // Asking about channels is no part of what is compared: it goes the same way as in the optimised publisher.
  const transport = createPusherTransport(app, ASKING, clock)
  const webhooks = new WebhookMemory({ clock, counts: statistics.webhooks, shared })
  const onHit = (): void => void (statistics.cacheHits += 1)
  const channels = new HttpChannelState({ app, transport, clock, onHit, webhooks }, CHANNELS)
  const stop: Publisher['stop'] = async () => {
    await transport.close()
    return { delivered: statistics.outcomes.delivered, abandoned: 0 }
  }

  return {
    publish,
    publishMany: async (events: readonly EventToPublish[]) => {
      const receipts: PublishReceipt[] = []
      for (const { channel, event, data, options: given } of events) {
        receipts.push(await publish(channel, event, data, given))
      }
      return receipts
    },
    channels,
    health: async (): Promise<Health> => {
      const began = clock.monotonic()
      try {
        const answer = await library.get({ path: '/channels' })
        if (!isChannelList(await answer.text()))
          return { status: 'unhealthy', reasons: ['pusher: what answers is not Pusher'] }
        return { status: 'healthy', reasons: [], roundTripMs: clock.monotonic() - began }
      } catch (error) {
        return { status: 'unhealthy', reasons: [`pusher: ${describeError(error)}`] }
      }
    },
    stats: () =>
      statistics.snapshot({
        backgroundPending: 0,
        queuedBytes: 0,
        queueAgeMs: 0,
        poolSize: 1,
        batchConfig: { batchSize: 1, batchTimeoutMs: 0 },
        rateLimit: { callsPerSecond: Infinity, current: Infinity },
        breaker: 'closed',
      }),
    recordDelivery: (latencyMs) => statistics.deliveryLatency.record(latencyMs),
    stop,
    [Symbol.asyncDispose]: async () => {
      await stop()
    },
  }
}
