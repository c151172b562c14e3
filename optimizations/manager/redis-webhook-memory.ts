import type { SharedWebhookMemory } from '#optimizations/pusher/webhook-memory.ts'
import type { PublisherRedis } from './publisher-redis.ts'

/** Webhooks that were taken, known to all processes on one Redis. */
export function createRedisWebhookMemory(
  redis: Pick<PublisherRedis, 'ask'>,
  { namespace }: { readonly namespace: string },
): SharedWebhookMemory {
  return {
    claim: (id, ttlMs) =>
      redis.ask(async (client) => (await client.set(`${namespace}:webhook:${id}`, '', 'PX', ttlMs, 'NX')) === 'OK'),
  }
}
