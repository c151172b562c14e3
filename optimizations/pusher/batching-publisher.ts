import { randomUUID } from 'node:crypto'

import type { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import type { Clock } from '#optimizations/kernel/clock.ts'
import type { Health } from '#optimizations/kernel/health.ts'
import type { ChannelState } from './channel-state.ts'
import { PusherError } from './errors.ts'
import { checkChannelCount, checkNames, checkSize, isEncryptedChannel } from './event-limits.ts'
import type { EventOutcome } from './event-outcome.ts'
import type { EventOutbox, OutboxEvent } from './outbox.ts'
import type { OutboxRelay } from './outbox-relay.ts'
import type { PublisherStatistics, PublisherStats } from './publisher-statistics.ts'
import { checkPublisherHealth } from './publisher-health.ts'
import type { EventToPublish, Publisher, PublishOptions, PublishReceipt, StopReport } from './publisher.ts'
import { shardOf, type PublisherShard } from './publisher-shard.ts'
import { priorityClassOf, QueuedEvent, type ChannelGroup } from './queued-event.ts'
import type { WebhookMemory } from './webhook-memory.ts'
import { encodeData, wireBytes, wireId } from './wire-format.ts'

export interface BatchingPublisherDependencies {
  readonly clock: Clock
  readonly tasks: BackgroundTasks
  readonly statistics: PublisherStatistics
  readonly shards: readonly PublisherShard[]
  readonly channels: ChannelState
  readonly outbox: EventOutbox | undefined
  readonly webhooks: Pick<WebhookMemory, 'outdated'>
}

export interface BatchingPublisherOptions {
  readonly batchSize: number
  readonly batchTimeoutMs: number
  readonly callsPerSecond: number
  readonly poolSize: number
  readonly healthTimeoutMs: number
  readonly drainDeadlineMs: number
}

const NO_OPTIONS: PublishOptions = {}

/** What of an event is the same on all its channels. */
interface Draft {
  readonly id: string
  readonly event: string
  readonly data: unknown
  readonly options: PublishOptions
  readonly isFromOutbox: boolean
}

/** The optimised publisher: checks and queues; the dispatchers of its apps send. */
export class BatchingPublisher implements Publisher {
  readonly channels: ChannelState
  readonly #deps: BatchingPublisherDependencies
  readonly #options: BatchingPublisherOptions
  /** Ids of this process: unique by its prefix, and cheaper than a UUID for every event. */
  readonly #idPrefix = randomUUID().slice(0, 8)
  #nextId = 0
  #relay: OutboxRelay | undefined
  #stopping: Promise<StopReport> | undefined

  constructor(deps: BatchingPublisherDependencies, options: BatchingPublisherOptions) {
    this.#deps = deps
    this.#options = options
    this.channels = deps.channels
  }

  /** The relay submits to this publisher, and is stopped with it. */
  attachRelay(relay: OutboxRelay): void {
    this.#relay = relay
    relay.start()
  }

  async publish(
    channel: string | readonly string[],
    event: string,
    data: unknown,
    options: PublishOptions = NO_OPTIONS,
  ): Promise<PublishReceipt> {
    const events = this.#prepare(channel, { id: this.#newId(), event, data, options, isFromOutbox: false })
    this.#submit(events)
    return receiptOf(events)
  }

  async publishMany(events: readonly EventToPublish[]): Promise<readonly PublishReceipt[]> {
    const prepared = events.map(({ channel, event, data, options = NO_OPTIONS }) =>
      this.#prepare(channel, { id: this.#newId(), event, data, options, isFromOutbox: false }),
    )
    this.#submit(prepared.flat())
    return prepared.map(receiptOf)
  }

  /** For the relay: queues an event of the outbox, and answers its end. */
  async relay(event: OutboxEvent, deadlineMs: number): Promise<EventOutcome> {
    const options = { socketId: event.socketId ?? undefined, deadlineMs }
    const draft = { id: wireId(event.id), event: event.event, data: event.data, options, isFromOutbox: true }
    const events = this.#prepare(event.channel, draft)
    this.#submit(events)
    return receiptOf(events).settled
  }

  health(): Promise<Health> {
    const { clock, shards, outbox } = this.#deps
    const relayFault = this.#relay?.fault
    const outdatedWebhook = this.#deps.webhooks.outdated
    return checkPublisherHealth({ clock, shards, outbox, relayFault, outdatedWebhook }, this.#options.healthTimeoutMs)
  }

  stats(): PublisherStats {
    const { shards, statistics } = this.#deps
    const { batchSize, batchTimeoutMs, callsPerSecond, poolSize } = this.#options
    const sum = (of: (shard: PublisherShard) => number): number => shards.reduce((total, shard) => total + of(shard), 0)
    const states = shards.map(({ breaker }) => breaker.state)
    return statistics.snapshot({
      backgroundPending: sum((shard) => shard.dispatcher.queue.pendingIn('background')),
      queuedBytes: sum((shard) => shard.dispatcher.queue.bytes),
      queueAgeMs: Math.max(...shards.map((shard) => shard.dispatcher.queue.oldestAgeMs)),
      poolSize: poolSize * shards.length,
      batchConfig: { batchSize, batchTimeoutMs },
      rateLimit: { callsPerSecond: callsPerSecond * shards.length, current: sum((shard) => shard.limiter.currentRate) },
      breaker: states.find((state) => state === 'open') ?? states.find((state) => state === 'half_open') ?? 'closed',
    })
  }

  recordDelivery(latencyMs: number): void {
    this.#deps.statistics.deliveryLatency.record(latencyMs)
  }

  stop(deadlineMs = this.#options.drainDeadlineMs): Promise<StopReport> {
    this.#stopping ??= this.#stop(deadlineMs)
    return this.#stopping
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #stop(deadlineMs: number): Promise<StopReport> {
    const { shards, statistics, tasks } = this.#deps
    const before = { ...statistics.outcomes }
    this.#relay?.close()
    await Promise.all(shards.map((shard) => shard.dispatcher.drain(deadlineMs)))
    const abandonedBefore = statistics.outcomes.dead_lettered
    await Promise.all(shards.map((shard) => shard.dispatcher.stop()))
    await tasks.idle()
    return {
      delivered: statistics.outcomes.delivered - before.delivered,
      abandoned: statistics.outcomes.dead_lettered - abandonedBefore,
    }
  }

  #newId(): string {
    this.#nextId += 1
    return `${this.#idPrefix}-${this.#nextId.toString(36)}`
  }

  #prepare(channel: string | readonly string[], draft: Draft): readonly QueuedEvent[] {
    try {
      if (typeof channel === 'string') return [this.#prepareOne(channel, draft, undefined)]
      const channels = [...new Set(channel)]
      checkChannelCount(channels, draft.event)
      const [first] = channels as [string]
      const json = encodeData(first, draft.event, draft.data)
      const events = channels.map((name) => this.#prepareOne(name, draft, json))
      const group: ChannelGroup = { events, isSplit: events.length === 1 }
      for (const event of events) event.group = group
      return events
    } catch (error) {
      if (error instanceof PusherError) this.#deps.statistics.recordRejected(error.code)
      throw error
    }
  }

  #prepareOne(channel: string, draft: Draft, encoded: string | undefined): QueuedEvent {
    const { id, event, data, options, isFromOutbox } = draft
    const { socketId, coalesceKey, deadlineMs, priority = 'normal', immediate = false } = options
    checkNames(channel, event, socketId)
    this.#checkKey(channel, event)
    const json = encoded ?? encodeData(channel, event, data)
    const bytes = wireBytes(channel, json, id)
    checkSize(channel, event, bytes)
    const now = this.#deps.clock.monotonic()
    return new QueuedEvent({
      id,
      channel,
      event,
      json,
      bytes,
      socketId,
      coalesceKey,
      isFromOutbox,
      priorityClass: priorityClassOf(priority, immediate),
      publishedAt: this.#deps.clock.now(),
      acceptedAt: now,
      deadlineAt: deadlineMs === undefined ? Infinity : now + deadlineMs,
    })
  }

  #checkKey(channel: string, event: string): void {
    if (!isEncryptedChannel(channel)) return
    const { app } = shardOf(this.#deps.shards, channel)
    if (app.encryptionMasterKeyBase64 !== undefined) return
    const message = `Event "${event}" on channel "${channel}": app ${app.appId} has no encryption master key`
    throw new PusherError('missing_master_key', message, { channel, event })
  }

  #submit(events: readonly QueuedEvent[]): void {
    if (this.#stopping !== undefined) {
      for (const _event of events) this.#deps.statistics.recordRejected('stopped')
      throw new PusherError('stopped', 'The publisher is stopping and accepts nothing more')
    }
    const { shards } = this.#deps
    const [only] = shards
    if (shards.length === 1 && only !== undefined) {
      only.dispatcher.submit(events)
      return
    }
    const perShard = Map.groupBy(events, (event) => shardOf(shards, event.input.channel))
    for (const [shard, its] of perShard) shard.dispatcher.submit(its)
  }
}

const SEVERITY = ['delivered', 'coalesced', 'released', 'expired', 'refused', 'dead_lettered'] as const

/** An event on one channel is its own receipt; on several channels it ended as badly as the worst of them. */
function receiptOf(events: readonly QueuedEvent[]): PublishReceipt {
  const [first] = events as readonly [QueuedEvent]
  if (events.length === 1) return first
  const settled = Promise.all(events.map((event) => event.settled))
  const worse = (one: EventOutcome, other: EventOutcome): EventOutcome =>
    SEVERITY.indexOf(other.outcome) > SEVERITY.indexOf(one.outcome) ? other : one
  return { id: first.id, settled: settled.then((ends) => ends.reduce(worse)) }
}
