import { LatencyHistogram, type HistogramSnapshot } from '#optimizations/kernel/histogram.ts'
import type { EventOutcome, EventOutcomeKind } from './event-outcome.ts'
import type { WebhookCounts } from './webhook-memory.ts'

/** Counts since the start. Each accepted event is counted once on acceptance and once at its end. */
export interface PublisherStats {
  readonly eventsSent: number
  /** Of the events sent, those that shared their request with another. */
  readonly batchEventsSent: number
  readonly failedEvents: number
  readonly totalLatencyMs: number
  readonly connectionErrors: number
  readonly rateLimitHits: number
  readonly cacheHits: number
  readonly successRate: number
  readonly avgLatencyMs: number
  /** The ten channels with the most events sent. */
  readonly popularChannels: ReadonlyArray<{ readonly channel: string; readonly eventsSent: number }>

  readonly accepted: number
  readonly outcomes: Readonly<Record<EventOutcomeKind, number>>
  /** Accepted and not ended. */
  readonly pending: number
  /** Those of them that wait in the background. */
  readonly backgroundPending: number
  readonly queuedBytes: number
  readonly queueAgeMs: number
  /** Events that ended other than delivered, and events never accepted, by reason. */
  readonly droppedByReason: Readonly<Record<string, number>>

  readonly requests: number
  readonly retries: number
  readonly requestsPerEvent: number
  /** Mean events in a request. */
  readonly batchFill: number
  readonly rateLimitWaits: number
  /** publish() until Pusher's answer. */
  readonly publishLatency: HistogramSnapshot
  /** publish() until a subscriber's callback, as far as it was reported. */
  readonly deliveryLatency: HistogramSnapshot

  readonly webhooks: Readonly<WebhookCounts>

  readonly poolSize: number
  readonly batchConfig: { readonly batchSize: number; readonly batchTimeoutMs: number }
  /** `current` is lower than what was configured while Pusher asks for less. */
  readonly rateLimit: { readonly callsPerSecond: number; readonly current: number }
  readonly breaker: 'closed' | 'open' | 'half_open'
}

/** What the queue and the transport know of themselves at the moment of asking. */
export type PublisherGauges = Pick<
  PublisherStats,
  'backgroundPending' | 'queuedBytes' | 'queueAgeMs' | 'poolSize' | 'batchConfig' | 'rateLimit' | 'breaker'
>

const MAX_CHANNELS_COUNTED = 1_000

/** Counters of one publisher, in bounded memory. */
export class PublisherStatistics {
  readonly outcomes: Record<EventOutcomeKind, number> = {
    delivered: 0,
    coalesced: 0,
    refused: 0,
    expired: 0,
    dead_lettered: 0,
    released: 0,
  }
  readonly deliveryLatency = new LatencyHistogram()
  readonly webhooks: WebhookCounts = { applied: 0, repeated: 0, unshared: 0, outdated: 0 }
  accepted = 0
  batchEventsSent = 0
  connectionErrors = 0
  rateLimitHits = 0
  rateLimitWaits = 0
  cacheHits = 0
  requests = 0
  eventsRequested = 0
  retries = 0
  readonly #publishLatency = new LatencyHistogram()
  readonly #dropped = new Map<string, number>()
  readonly #channels = new Map<string, number>()
  #totalLatencyMs = 0

  /** An event that publish() did not accept. */
  recordRejected(reason: string): void {
    this.#dropped.set(reason, (this.#dropped.get(reason) ?? 0) + 1)
  }

  /** An event of the outbox that was set aside without being queued. */
  recordSetAside(): void {
    this.accepted += 1
    this.outcomes.dead_lettered += 1
  }

  recordEnd(channel: string, end: EventOutcome): void {
    this.outcomes[end.outcome] += 1
    if (end.outcome !== 'delivered') {
      this.recordRejected(end.reason)
      return
    }
    this.#publishLatency.record(end.latencyMs)
    this.#totalLatencyMs += end.latencyMs
    const sent = this.#channels.get(channel)
    // Past the bound new channels are not counted: the popular ones are among the first thousand or not worth the memory.
    if (sent !== undefined || this.#channels.size < MAX_CHANNELS_COUNTED) this.#channels.set(channel, (sent ?? 0) + 1)
  }

  snapshot(gauges: PublisherGauges): PublisherStats {
    const { outcomes } = this
    const ended = Object.values(outcomes).reduce((sum, count) => sum + count, 0)
    const failed = outcomes.refused + outcomes.expired + outcomes.dead_lettered
    const delivered = outcomes.delivered
    const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole)
    return {
      eventsSent: delivered,
      batchEventsSent: this.batchEventsSent,
      failedEvents: failed,
      totalLatencyMs: this.#totalLatencyMs,
      connectionErrors: this.connectionErrors,
      rateLimitHits: this.rateLimitHits,
      cacheHits: this.cacheHits,
      successRate: ratio(delivered, delivered + failed),
      avgLatencyMs: ratio(this.#totalLatencyMs, delivered),
      popularChannels: this.#popularChannels(),
      accepted: this.accepted,
      outcomes: { ...outcomes },
      pending: this.accepted - ended,
      droppedByReason: Object.fromEntries(this.#dropped),
      requests: this.requests,
      retries: this.retries,
      requestsPerEvent: ratio(this.requests, delivered),
      batchFill: ratio(this.eventsRequested, this.requests),
      rateLimitWaits: this.rateLimitWaits,
      publishLatency: this.#publishLatency.snapshot(),
      deliveryLatency: this.deliveryLatency.snapshot(),
      webhooks: { ...this.webhooks },
      ...gauges,
    }
  }

  #popularChannels(): PublisherStats['popularChannels'] {
    return [...this.#channels]
      .sort(([, left], [, right]) => right - left)
      .slice(0, 10)
      .map(([channel, eventsSent]) => ({ channel, eventsSent }))
  }
}
