import type { Clock } from '#optimizations/kernel/clock.ts'
import { PusherError } from './errors.ts'
import type { EventOutcomeKind } from './event-outcome.ts'
import { LaneSchedule, type Shipment } from './lane-schedule.ts'
import type { PublisherStatistics } from './publisher-statistics.ts'
import { QueueBound } from './queue-bound.ts'
import { TIERS, tierOf, type QueuedEvent, type Tier } from './queued-event.ts'

/**
 * What happens to an event that finds the queue full. refuse: publish() rejects with `queue_full`. drop_oldest: the one
 * queued longest makes room. drop_newest: the new one ends at once. coalesce: it takes the place of the event before it on
 * its channel if that has the same name and socket id, otherwise it is refused.
 */
export type FullQueuePolicy = 'refuse' | 'drop_oldest' | 'drop_newest' | 'coalesce'

export interface EventQueueOptions {
  readonly maxQueuedEvents: number
  readonly maxQueuedBytes: number
  /** Of the background, which takes none of the room of the others. */
  readonly maxBackgroundEvents: number
  readonly maxBackgroundBytes: number
  readonly whenFull: FullQueuePolicy
}

/**
 * Every event between acceptance and its end, queued or on its way: bounded in number and bytes for each tier, except for
 * what comes from the outbox, whose relay bounds itself. The one place where events end.
 */
export class EventQueue {
  readonly #clock: Clock
  readonly #statistics: PublisherStatistics
  readonly #options: EventQueueOptions
  readonly #onEmpty: () => void
  readonly #lanes: LaneSchedule
  readonly #bounds: Readonly<Record<Tier, QueueBound>>

  constructor(
    deps: {
      readonly clock: Clock
      readonly statistics: PublisherStatistics
      readonly onReady: () => void
      readonly onEmpty: () => void
    },
    options: EventQueueOptions,
  ) {
    this.#clock = deps.clock
    this.#statistics = deps.statistics
    this.#options = options
    this.#onEmpty = deps.onEmpty
    const { maxQueuedEvents, maxQueuedBytes, maxBackgroundEvents, maxBackgroundBytes } = options
    this.#bounds = {
      foreground: new QueueBound({ maxEvents: maxQueuedEvents, maxBytes: maxQueuedBytes }),
      background: new QueueBound({ maxEvents: maxBackgroundEvents, maxBytes: maxBackgroundBytes }),
    }
    this.#lanes = new LaneSchedule(deps)
  }

  /** Which events may go next. */
  get lanes(): Pick<LaneSchedule, 'ready' | 'isUrgent' | 'longestWaitMs' | 'wakeAll' | 'link'> {
    return this.#lanes
  }

  /** Accepted and not ended. */
  get pending(): number {
    return this.pendingIn('foreground') + this.pendingIn('background')
  }

  pendingIn(tier: Tier): number {
    return this.#bounds[tier].events
  }

  get bytes(): number {
    return this.#bounds.foreground.bytes + this.#bounds.background.bytes
  }

  /** Age of the event queued longest, in milliseconds. */
  get oldestAgeMs(): number {
    return this.#lanes.oldestAgeMs
  }

  /** Share of the foreground's bound that is used: whoever fills the background is refused, and nobody suffers. */
  get fill(): number {
    return this.#bounds.foreground.fill
  }

  /** Accepts all events or, by throwing `queue_full`, none. */
  admit(events: readonly QueuedEvent[]): void {
    const isBounded = !events[0]?.input.isFromOutbox
    const isFull = isBounded && this.#tierWithoutRoom(events) !== undefined
    if (isFull && this.#options.whenFull !== 'drop_newest') this.#makeRoom(events)
    this.#statistics.accepted += events.length
    for (const event of events) {
      this.#bounds[tierOf(event)].add(event)
      if (isFull && this.#options.whenFull === 'drop_newest') this.end(event, 'refused', 'dropped_newest')
      else this.#push(event)
    }
  }

  take(limit: number, tier: Tier): Shipment | undefined {
    const shipment = this.#lanes.take(limit, tier)
    if (shipment !== undefined) for (const event of shipment.events) event.isQueued = false
    return shipment
  }

  /** A request is over: what is to be sent again goes back to the heads of its lanes, which rest for `delayMs(lane)`. */
  finish(shipment: Shipment, again: readonly QueuedEvent[], delayMs: (failures: number) => number): void {
    if (again.length === 0) {
      for (const lane of shipment.lanes) this.#lanes.finish(lane, again, 0)
      return
    }
    const alive = again.filter((event) => event.end === undefined)
    for (const event of alive) event.isQueued = true
    for (const lane of shipment.lanes) {
      const its = alive.filter((event) => event.input.channel === lane.channel)
      this.#lanes.finish(lane, its, its.length > 0 ? delayMs(lane.failures) : 0)
    }
  }

  end(event: QueuedEvent, outcome: EventOutcomeKind, reason: string, now = this.#clock.monotonic()): void {
    if (event.end !== undefined) return
    this.#bounds[tierOf(event)].remove(event)
    const { channel } = event.input
    this.#statistics.recordEnd(channel, event.finish(outcome, reason, now))
    if (event.isQueued) {
      event.isQueued = false
      this.#lanes.forget(event)
    }
    if (outcome === 'released') this.#releaseFollowers(channel, reason)
    // Subscribers are to see the gap: the next event of the channel names this one as the one before it.
    else if (outcome !== 'delivered' && outcome !== 'coalesced') this.#lanes.link(event)
    if (this.pending === 0) this.#onEmpty()
  }

  /** Ends an event that cannot be sent: back to the outbox where it came from there, otherwise lost and counted. */
  retire(event: QueuedEvent, reason: string): void {
    this.end(event, event.input.isFromOutbox ? 'released' : 'dead_lettered', reason)
  }

  /** Ends an event whose deadline has passed. */
  expire(event: QueuedEvent): void {
    this.end(event, event.input.isFromOutbox ? 'released' : 'expired', 'deadline')
  }

  retireAll(reason: string): void {
    for (const event of this.#lanes.queued()) this.retire(event, reason)
  }

  #push(event: QueuedEvent): void {
    const { deadlineAt } = event.input
    event.isQueued = true
    if (this.#options.whenFull === 'drop_oldest' && !event.input.isFromOutbox) this.#bounds[tierOf(event)].note(event)
    const replaced = this.#lanes.push(event)
    if (replaced !== undefined) this.end(replaced, 'coalesced', 'coalesced')
    if (deadlineAt === Infinity) return
    event.timer = this.#clock.schedule(Math.max(0, deadlineAt - this.#clock.monotonic()), () => {
      // One on its way may be delivered yet; it is looked at again when it comes back.
      if (event.isQueued) this.expire(event)
    })
  }

  /** The order of the channel holds in the outbox too: what came after is given back with it. */
  #releaseFollowers(channel: string, reason: string): void {
    for (const event of this.#lanes.queued(channel)) {
      if (event.input.isFromOutbox) this.end(event, 'released', reason)
    }
  }

  /** The first tier that cannot take its part of the events. */
  #tierWithoutRoom(events: readonly QueuedEvent[]): Tier | undefined {
    return TIERS.find((tier) => !this.#bounds[tier].fits(events.filter((event) => tierOf(event) === tier)))
  }

  #makeRoom(events: readonly QueuedEvent[]): void {
    const { whenFull } = this.#options
    if (whenFull === 'drop_oldest' && this.#dropOldestFor(events)) return
    if (whenFull === 'coalesce' && events.every((event) => this.#predecessor(event) !== undefined)) {
      for (const event of events) {
        const before = this.#predecessor(event)
        if (before !== undefined) this.end(before, 'coalesced', 'coalesced_when_full')
      }
      if (this.#tierWithoutRoom(events) === undefined) return
    }
    for (const _event of events) this.#statistics.recordRejected('queue_full')
    const full = this.#bounds[this.#tierWithoutRoom(events) ?? 'foreground']
    throw new PusherError('queue_full', `${full.events} events wait to be sent`, {
      channel: events[0]?.input.channel,
      event: events[0]?.input.event,
      pending: full.events,
      maxQueuedEvents: full.maxEvents,
      bytes: full.bytes,
      maxQueuedBytes: full.maxBytes,
    })
  }

  /** False when what is left is all on its way. */
  #dropOldestFor(events: readonly QueuedEvent[]): boolean {
    for (let tier = this.#tierWithoutRoom(events); tier !== undefined; tier = this.#tierWithoutRoom(events)) {
      const oldest = this.#bounds[tier].takeOldest()
      if (oldest === undefined) return false
      this.end(oldest, 'refused', 'dropped_oldest')
    }
    return true
  }

  #predecessor(event: QueuedEvent): QueuedEvent | undefined {
    const { channel, socketId } = event.input
    const before = this.#lanes.last(channel, tierOf(event))
    return before?.input.event === event.input.event && before.input.socketId === socketId ? before : undefined
  }
}
