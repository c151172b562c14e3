import { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import { systemClock, type Clock } from '#optimizations/kernel/clock.ts'
import { systemRandom, type Random } from '#optimizations/kernel/random.ts'
import { BatchingPublisher } from './batching-publisher.ts'
import { HttpChannelState, type ChannelState, type ChannelStateOptions } from './channel-state.ts'
import { CircuitBreaker, type BreakerOptions } from './circuit-breaker.ts'
import { Dispatcher, type DispatcherOptions } from './dispatcher.ts'
import { PUSHER_LIMITS } from './event-limits.ts'
import type { EventOutbox } from './outbox.ts'
import { OutboxRelay, type OutboxRelayOptions } from './outbox-relay.ts'
import type { Publisher } from './publisher.ts'
import { shardOf, type PublisherShard } from './publisher-shard.ts'
import { PublisherStatistics } from './publisher-statistics.ts'
import type { PusherApp } from './pusher-app.ts'
import { createPusherTransport, type TransportOptions } from './pusher-transport.ts'
import { RateLimiter } from './rate-limiter.ts'
import type { SharedRateLimit } from './shared-rate-limit.ts'
import { WebhookMemory, type SharedWebhookMemory } from './webhook-memory.ts'
import { createEncrypt } from './wire-format.ts'

type Tuning = Partial<DispatcherOptions & TransportOptions & BreakerOptions & OutboxRelayOptions>

export interface PublisherOptions extends Tuning {
  readonly app: PusherApp
  /** More apps or clusters to spread the channels over; see appIndexOf for the rule that subscribers follow. */
  readonly moreApps?: readonly PusherApp[]
  /** Events a second for each app. */
  readonly callsPerSecond?: number
  readonly burst?: number
  readonly channelState?: Partial<ChannelStateOptions>
  readonly healthTimeoutMs?: number
  readonly drainDeadlineMs?: number
}

export interface PublisherDependencies {
  readonly outbox?: EventOutbox | undefined
  /** The rate limit that several processes share. */
  readonly sharedRateLimit?: SharedRateLimit | undefined
  /** The webhooks that several processes have taken. */
  readonly sharedWebhookMemory?: SharedWebhookMemory | undefined
  readonly clock?: Clock
  readonly random?: Random
  readonly onError?: (reason: string, error: unknown) => void
  readonly createTransport?: typeof createPusherTransport
}

const DEFAULTS = {
  poolSize: 5,
  batchSize: PUSHER_LIMITS.eventsPerBatch,
  batchTimeoutMs: 5,
  callsPerSecond: 100,
  connectTimeoutMs: 3_000,
  requestTimeoutMs: 10_000,
  bodyTimeoutMs: 1_000,
  retryBaseMs: 100,
  retryMaxMs: 10_000,
  giveUpAfterMs: 300_000,
  failureThreshold: 5,
  minOpenMs: 500,
  maxOpenMs: 10_000,
  maxQueuedEvents: 10_000,
  maxQueuedBytes: 32 * 1_024 * 1_024,
  maxBackgroundEvents: 1_000,
  maxBackgroundBytes: 4 * 1_024 * 1_024,
  whenFull: 'refuse',
  leaseMs: 30_000,
  maxOutstanding: 500,
  pollMs: 1_000,
  maxAttempts: 20,
  appFaultDelayMs: 30_000,
  healthTimeoutMs: 2_000,
  drainDeadlineMs: 10_000,
} as const satisfies Required<Tuning> & Record<string, unknown>

/** Starts a publisher. It does not fail because Pusher is down: events wait, and health says so. */
export async function startPublisher(options: PublisherOptions, deps: PublisherDependencies = {}): Promise<Publisher> {
  const { app, moreApps = [], channelState, ...given } = options
  const settings = { ...DEFAULTS, burst: given.callsPerSecond ?? DEFAULTS.callsPerSecond, ...given }
  const clock = deps.clock ?? systemClock
  const tasks = new BackgroundTasks(deps.onError ?? (() => undefined), clock)
  const statistics = new PublisherStatistics()
  const shared = { clock, random: deps.random ?? systemRandom, tasks, statistics }
  const shards = [app, ...moreApps].map((its): PublisherShard => {
    const transport = (deps.createTransport ?? createPusherTransport)(its, settings, clock)
    const limiter = new RateLimiter({ clock, tasks, shared: deps.sharedRateLimit }, settings)
    const breaker = new CircuitBreaker(shared, settings)
    const encrypt = createEncrypt(its)
    const dispatcher = new Dispatcher({ ...shared, transport, limiter, breaker, encrypt }, settings)
    return { app: its, transport, limiter, breaker, dispatcher }
  })
  const webhooks = new WebhookMemory({ clock, counts: statistics.webhooks, shared: deps.sharedWebhookMemory })
  const channels = shardedChannelState(shards, (shard) => {
    const onHit = (): void => void (statistics.cacheHits += 1)
    return new HttpChannelState(
      { ...shard, clock, onHit, webhooks },
      { ttlMs: 5_000, maxChannels: 10_000, asksSubscriptionCounts: false, ...channelState },
    )
  })
  const { outbox } = deps
  const publisher = new BatchingPublisher({ clock, tasks, statistics, shards, channels, outbox, webhooks }, settings)
  if (outbox !== undefined) {
    const submit = publisher.relay.bind(publisher)
    const isReady = (): boolean => shards.some(({ breaker }) => breaker.waitMs() === 0)
    publisher.attachRelay(new OutboxRelay({ outbox, clock, tasks, submit, isReady, statistics }, settings))
  }
  return publisher
}

function shardedChannelState(
  shards: readonly PublisherShard[],
  create: (shard: PublisherShard) => ChannelState,
): ChannelState {
  const states = new Map(shards.map((shard) => [shard, create(shard)]))
  const of = (channel: string): ChannelState => states.get(shardOf(shards, channel)) as ChannelState
  return {
    info: (channel) => of(channel).info(channel),
    users: (channel) => of(channel).users(channel),
    terminateConnections: async (userId) => {
      await Promise.all([...states.values()].map((state) => state.terminateConnections(userId)))
    },
    // Signed with the key of the app that it comes from: the others refuse it.
    receiveWebhook: async (request) => {
      for (const state of states.values()) if (await state.receiveWebhook(request)) return true
      return false
    },
  }
}
