import type { Clock } from '#optimizations/kernel/clock.ts'
import type { Random } from '#optimizations/kernel/random.ts'
import type { SharedRateLimit } from '#optimizations/pusher/shared-rate-limit.ts'
import type { PublisherOptions } from '#optimizations/pusher/start-publisher.ts'
import type { SharedWebhookMemory } from '#optimizations/pusher/webhook-memory.ts'
import { createPublisherRedis } from './publisher-redis.ts'
import { createRedisRateBudget } from './redis-rate-budget.ts'
import { createRedisWebhookMemory } from './redis-webhook-memory.ts'

/** What the publishers of all processes share, on one connection. */
export interface PublisherStores extends AsyncDisposable {
  readonly rateLimit: SharedRateLimit
  readonly webhooks: SharedWebhookMemory
  /** Resolves also when Redis is away: it is tried again in the background. */
  start(): Promise<void>
}

export interface PublisherStoresOptions {
  readonly url: string
  readonly namespace: string
  readonly pusher: Pick<PublisherOptions, 'app' | 'callsPerSecond' | 'burst'>
}

/** The publisher's own default, which the budget of all processes has to know too. */
const CALLS_PER_SECOND = 100

export function createPublisherStores(
  deps: { readonly clock: Clock; readonly random: Random },
  { url, namespace, pusher }: PublisherStoresOptions,
): PublisherStores {
  const { callsPerSecond = CALLS_PER_SECOND, burst = callsPerSecond, app } = pusher
  const redis = createPublisherRedis(deps, url)
  // The limit of an app counts for all who publish to it.
  const name = `${namespace}:pusher-rate:${app.appId}`
  return {
    rateLimit: createRedisRateBudget(redis, { name, callsPerSecond, burst }),
    webhooks: createRedisWebhookMemory(redis, { namespace }),
    start: () => redis.start(),
    [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose](),
  }
}
