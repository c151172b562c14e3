import type { Health } from '#optimizations/kernel/health.ts'
import type { ChannelState } from './channel-state.ts'
import type { EventOutcome } from './event-outcome.ts'
import type { PublisherStats } from './publisher-statistics.ts'

/**
 * high, normal, low: between channels only, because within a channel the order of publishing holds. background: for what
 * others cause in any number. It goes when nothing else is ready and may wait for as long as that takes; on its own
 * channel too the other events pass it, and only among themselves its events keep their order.
 */
export type EventPriority = 'high' | 'normal' | 'low' | 'background'

export interface PublishOptions {
  /** The connection that caused the event and does not get it back. */
  readonly socketId?: string | undefined
  readonly priority?: EventPriority | undefined
  /** After so many milliseconds the event is worth nothing any more: if it is still queued, it ends as `expired`. */
  readonly deadlineMs?: number | undefined
  /** Of the queued events of a channel with this key only the last one is sent. */
  readonly coalesceKey?: string | undefined
  /** Goes out with the next free connection instead of waiting for company in a batch; not from the background. */
  readonly immediate?: boolean | undefined
}

export interface EventToPublish {
  /** Up to 100 names; several get the same event. */
  readonly channel: string | readonly string[]
  readonly event: string
  readonly data: unknown
  readonly options?: PublishOptions | undefined
}

export interface PublishReceipt {
  /** Travels with the event: subscribers drop duplicates by it. */
  readonly id: string
  /** The end of the event. Never rejects, so it may be ignored. */
  readonly settled: Promise<EventOutcome>
}

export interface StopReport {
  readonly delivered: number
  /** Events that were neither delivered nor given back to the outbox when the deadline came. */
  readonly abandoned: number
}

/** Sends events to subscribers. */
export interface Publisher extends AsyncDisposable {
  /**
   * Resolves as soon as the event is accepted, without waiting for Pusher: the answer is `receipt.settled`.
   * Rejects with PusherError `invalid_event`, `event_too_large`, `queue_full` or `stopped`; nothing was sent then.
   */
  publish(
    channel: string | readonly string[],
    event: string,
    data: unknown,
    options?: PublishOptions,
  ): Promise<PublishReceipt>
  /** All or none are accepted, of each app where there are several. Receipts are in the order of the events. */
  publishMany(events: readonly EventToPublish[]): Promise<readonly PublishReceipt[]>
  /** What is known of channels and their subscribers. */
  readonly channels: ChannelState
  /** A live probe of Pusher with a timeout, and what of the queue and the outbox is worth saying. */
  health(): Promise<Health>
  stats(): PublisherStats
  /** Feeds the publish-to-callback histogram: milliseconds from publish() to a subscriber's callback. */
  recordDelivery(latencyMs: number): void
  /** Accepts nothing more, sends what is queued for at most `deadlineMs`, and says what came of it. */
  stop(deadlineMs?: number): Promise<StopReport>
}
