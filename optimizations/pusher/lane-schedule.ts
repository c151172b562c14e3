import type { Clock } from '#optimizations/kernel/clock.ts'
import { isEncryptedChannel, PUSHER_LIMITS } from './event-limits.ts'
import { ChannelLane } from './channel-lane.ts'
import { LaneRing } from './lane-ring.ts'
import { BACKGROUND_CLASS, type QueuedEvent, type Tier } from './queued-event.ts'

/** What goes into one request, with the lanes that wait for its answer. */
export interface Shipment {
  /** `multi`: one event to many channels. */
  readonly form: 'batch' | 'multi'
  readonly events: readonly QueuedEvent[]
  readonly lanes: readonly ChannelLane[]
}

/** Empty lanes are kept for their next event, which names the last one; up to so many channels. */
const MAX_KEPT_LANES = 10_000

/**
 * Which events may go next: first in first out within a channel, with at most one request under way per channel; between
 * channels in turn, by priority and waiting time. A request carries the foreground or the background, never both.
 */
export class LaneSchedule {
  readonly #clock: Clock
  readonly #onReady: () => void
  readonly #lanes = new Map<string, ChannelLane>()
  /** By priority class. */
  readonly #rings = [new LaneRing(0), new LaneRing(0), new LaneRing(1_000), new LaneRing(5_000)] as const
  readonly #backgroundRing = new LaneRing(Infinity)
  readonly #ready: Record<Tier, number> = { foreground: 0, background: 0 }
  #lastTicket = 0

  constructor(deps: { readonly clock: Clock; readonly onReady: () => void }) {
    this.#clock = deps.clock
    this.#onReady = deps.onReady
  }

  /** Events of a tier that may be sent now. */
  ready(tier: Tier): number {
    return this.#ready[tier]
  }

  /** Whether an `immediate` event may be sent now. */
  get isUrgent(): boolean {
    return this.#rings[0].first() !== undefined
  }

  /** How long the lane of a tier that has been ready longest has waited, in milliseconds. */
  longestWaitMs(tier: Tier): number {
    let since = Infinity
    const rings = tier === 'background' ? [this.#backgroundRing] : this.#rings
    for (const ring of rings) since = Math.min(since, ring.first()?.readySince ?? Infinity)
    return since === Infinity ? 0 : this.#clock.monotonic() - since
  }

  /** How long the event queued longest has been accepted, in milliseconds. Looks at every lane. */
  get oldestAgeMs(): number {
    let oldest = Infinity
    for (const lane of this.#lanes.values()) {
      for (const head of lane.heads()) oldest = Math.min(oldest, head.input.acceptedAt)
    }
    return oldest === Infinity ? 0 : this.#clock.monotonic() - oldest
  }

  /** Queues an event, and answers the queued one that it takes the place of, if any. */
  push(event: QueuedEvent): QueuedEvent | undefined {
    const { channel, priorityClass } = event.input
    let lane = this.#lanes.get(channel)
    if (lane === undefined) {
      lane = new ChannelLane(channel)
      this.#lanes.set(channel, lane)
    }
    const isReady = lane.state === 'ready'
    if (isReady) this.#count(lane, -1)
    const replaced = lane.push(event)
    if (isReady) {
      this.#count(lane, 1)
      // What has waited is the background: in the foreground the waiting begins now.
      if (lane.readyClass === BACKGROUND_CLASS && lane.tier === 'foreground') lane.readySince = event.input.acceptedAt
      if (priorityClass < lane.readyClass) this.#enterRing(lane)
    } else if (lane.state === 'idle') this.#makeReady(lane, event.input.acceptedAt)
    return replaced
  }

  /** To be called when a queued event has ended. */
  forget(event: QueuedEvent): void {
    const lane = this.#lanes.get(event.input.channel)
    if (lane === undefined) return
    if (lane.state !== 'ready') {
      lane.forget(event)
      return
    }
    this.#count(lane, -1)
    lane.forget(event)
    const hasOnlyBackground = lane.readyClass !== BACKGROUND_CLASS && lane.tier === 'background'
    if (lane.live === 0 || hasOnlyBackground) this.#settle(lane)
    else this.#count(lane, 1)
  }

  /**
   * The id of the event before this one on its channel, as far as known; from now on this one is the last. Not if somebody
   * is excluded from it, or if it may be passed by what comes later: the next event would seem to tell of a gap.
   */
  link({ input: { channel, id, socketId, priorityClass } }: QueuedEvent): string | undefined {
    const lane = this.#lanes.get(channel)
    const before = lane?.lastId
    const isFollowed = socketId === undefined && priorityClass !== BACKGROUND_CLASS
    if (lane !== undefined && isFollowed) lane.lastId = id
    // It was linked before, when it went to all its channels in one request.
    return before === id ? undefined : before
  }

  /** The event of a tier queued last on a channel, while it is still there. */
  last(channel: string, tier: Tier): QueuedEvent | undefined {
    return this.#lanes.get(channel)?.last(tier)
  }

  /** The next request of at most `limit` events of a tier, or undefined when nothing of it may be sent. */
  take(limit: number, tier: Tier): Shipment | undefined {
    const events: QueuedEvent[] = []
    const lanes: ChannelLane[] = []
    for (let lane = this.#next(tier); lane !== undefined && events.length < limit; lane = this.#next(tier)) {
      const isSuspect = lane.failures > 0
      if (isSuspect && events.length > 0) break
      const group = this.#wholeGroup(lane)
      if (group !== undefined && events.length === 0) return group
      this.#leaveReady(lane)
      lane.state = 'busy'
      lanes.push(lane)
      // Its head may be what makes the request fail: what comes after it is not to fail with it.
      const room = Math.min(isSuspect ? 1 : limit - events.length, lane.liveInTier)
      for (let taken = 0; taken < room; taken += 1) {
        const event = lane.take()
        if (event === undefined) break
        events.push(event)
      }
      if (isSuspect) break
    }
    return events.length === 0 ? undefined : { form: 'batch', events, lanes }
  }

  /** A request is over: what is to be sent again goes back to the head of its lane, which rests for `delayMs`. */
  finish(lane: ChannelLane, again: readonly QueuedEvent[], delayMs: number): void {
    if (again.length > 0) lane.putBack(again)
    if (delayMs <= 0 || lane.live === 0) {
      this.#settle(lane)
      return
    }
    lane.state = 'resting'
    lane.rest = this.#clock.schedule(delayMs, () => {
      this.#settle(lane)
      this.#onReady()
    })
  }

  /** Ends every rest: what they waited for is over. */
  wakeAll(): void {
    for (const lane of this.#lanes.values()) {
      if (lane.state !== 'resting') continue
      lane.rest?.[Symbol.dispose]()
      this.#settle(lane)
    }
  }

  /** All queued events of a channel, or of all channels; in their order within a channel. */
  queued(channel?: string): readonly QueuedEvent[] {
    if (channel !== undefined) return [...(this.#lanes.get(channel)?.queued() ?? [])]
    return [...this.#lanes.values()].flatMap((lane) => [...lane.queued()])
  }

  #makeReady(lane: ChannelLane, now: number): void {
    lane.state = 'ready'
    lane.readySince = now
    this.#enterRing(lane)
    this.#count(lane, 1)
  }

  /** A lane that is ready counts with the events that may be sent next. */
  #count(lane: ChannelLane, by: 1 | -1): void {
    this.#ready[lane.tier] += by * lane.liveInTier
  }

  #enterRing(lane: ChannelLane): void {
    lane.readyClass = lane.priorityClass
    this.#lastTicket += 1
    const ring = lane.readyClass === BACKGROUND_CLASS ? this.#backgroundRing : this.#rings[lane.readyClass]
    ring.enter(lane, this.#lastTicket)
  }

  #leaveReady(lane: ChannelLane): void {
    lane.ticket = 0
    this.#count(lane, -1)
  }

  /** A lane that waits for nothing: ready when it holds something, otherwise gone. */
  #settle(lane: ChannelLane): void {
    lane.rest = undefined
    if (lane.live > 0) {
      this.#makeReady(lane, this.#clock.monotonic())
      return
    }
    lane.state = 'idle'
    lane.ticket = 0
    if (this.#lanes.size > MAX_KEPT_LANES) this.#dropOldestIdle()
  }

  #dropOldestIdle(): void {
    for (const lane of this.#lanes.values()) {
      if (lane.state !== 'idle') continue
      this.#lanes.delete(lane.channel)
      return
    }
  }

  #next(tier: Tier): ChannelLane | undefined {
    if (tier === 'background') return this.#backgroundRing.first()
    let best: ChannelLane | undefined
    let bestAt = Infinity
    for (const ring of this.#rings) {
      const lane = ring.first()
      if (lane === undefined || lane.readySince + ring.headStartMs >= bestAt) continue
      best = lane
      bestAt = lane.readySince + ring.headStartMs
    }
    return best
  }

  /**
   * One request for an event to many channels, where that is the cheaper form (it fills a batch by itself, or nothing
   * else is to be sent) and the order allows it (the event is at the head of each of its lanes).
   */
  #wholeGroup(lane: ChannelLane): Shipment | undefined {
    const group = lane.peek()?.group
    if (group === undefined || group.isSplit) return undefined
    const { events } = group
    const lanes = events.map((event) => this.#lanes.get(event.input.channel))
    const isWhole = events.every((event, index) => {
      const its = lanes[index]
      return its?.state === 'ready' && its.failures === 0 && its.peek() === event
    })
    group.isSplit = true
    if (!isWhole || (events.length < PUSHER_LIMITS.eventsPerBatch && events.length < this.#ready[lane.tier]))
      return undefined
    if (events.some((event) => isEncryptedChannel(event.input.channel))) return undefined
    for (const its of lanes as ChannelLane[]) {
      this.#leaveReady(its)
      its.take()
      its.state = 'busy'
    }
    return { form: 'multi', events, lanes: lanes as ChannelLane[] }
  }
}
