import type { Clock } from '#optimizations/kernel/clock.ts'
import { isEncryptedChannel, PUSHER_LIMITS } from './event-limits.ts'
import { ChannelLane } from './channel-lane.ts'
import { LaneRing } from './lane-ring.ts'
import type { QueuedEvent } from './queued-event.ts'

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
 * channels in turn, by priority and waiting time.
 */
export class LaneSchedule {
  readonly #clock: Clock
  readonly #onReady: () => void
  readonly #lanes = new Map<string, ChannelLane>()
  /** By priority class. */
  readonly #rings = [new LaneRing(0), new LaneRing(0), new LaneRing(1_000), new LaneRing(5_000)] as const
  #ready = 0
  #lastTicket = 0

  constructor(deps: { readonly clock: Clock; readonly onReady: () => void }) {
    this.#clock = deps.clock
    this.#onReady = deps.onReady
  }

  /** Events that may be sent now. */
  get ready(): number {
    return this.#ready
  }

  /** Whether an `immediate` event may be sent now. */
  get isUrgent(): boolean {
    return this.#rings[0].first() !== undefined
  }

  /** How long the lane that has been ready longest has waited, in milliseconds. */
  get longestWaitMs(): number {
    let since = Infinity
    for (const ring of this.#rings) since = Math.min(since, ring.first()?.readySince ?? Infinity)
    return since === Infinity ? 0 : this.#clock.monotonic() - since
  }

  /** How long the event queued longest has been accepted, in milliseconds. Looks at every lane. */
  get oldestAgeMs(): number {
    let oldest = Infinity
    for (const lane of this.#lanes.values()) oldest = Math.min(oldest, lane.peek()?.input.acceptedAt ?? Infinity)
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
    const replaced = lane.push(event)
    if (lane.state === 'idle') this.#makeReady(lane, event.input.acceptedAt)
    else if (lane.state === 'ready') {
      this.#ready += 1
      if (priorityClass < lane.readyClass) this.#enterRing(lane)
    }
    return replaced
  }

  /** To be called when a queued event has ended. */
  forget(event: QueuedEvent): void {
    const lane = this.#lanes.get(event.input.channel)
    if (lane === undefined) return
    lane.forget(event)
    if (lane.state !== 'ready') return
    this.#ready -= 1
    if (lane.live > 0) return
    this.#settle(lane)
  }

  /**
   * The id of the event before this one on its channel, as far as known; from now on this one is the last. Not if somebody
   * is excluded from it: to that one the next event would seem to tell of a gap.
   */
  link({ input: { channel, id, socketId } }: QueuedEvent): string | undefined {
    const lane = this.#lanes.get(channel)
    const before = lane?.lastId
    if (lane !== undefined && socketId === undefined) lane.lastId = id
    // It was linked before, when it went to all its channels in one request.
    return before === id ? undefined : before
  }

  /** The event queued last on a channel, while it is still there. */
  last(channel: string): QueuedEvent | undefined {
    return this.#lanes.get(channel)?.last()
  }

  /** The next request of at most `limit` events, or undefined when nothing may be sent. */
  take(limit: number): Shipment | undefined {
    const events: QueuedEvent[] = []
    const lanes: ChannelLane[] = []
    for (let lane = this.#next(); lane !== undefined && events.length < limit; lane = this.#next()) {
      const isSuspect = lane.failures > 0
      if (isSuspect && events.length > 0) break
      const group = this.#wholeGroup(lane)
      if (group !== undefined && events.length === 0) return group
      this.#leaveReady(lane)
      lane.state = 'busy'
      lanes.push(lane)
      // Its head may be what makes the request fail: what comes after it is not to fail with it.
      const room = isSuspect ? 1 : limit - events.length
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
    this.#ready += lane.live
  }

  #enterRing(lane: ChannelLane): void {
    lane.readyClass = lane.priorityClass
    this.#lastTicket += 1
    this.#rings[lane.readyClass].enter(lane, this.#lastTicket)
  }

  #leaveReady(lane: ChannelLane): void {
    lane.ticket = 0
    this.#ready -= lane.live
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

  #next(): ChannelLane | undefined {
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
    if (!isWhole || (events.length < PUSHER_LIMITS.eventsPerBatch && events.length < this.#ready)) return undefined
    if (events.some((event) => isEncryptedChannel(event.input.channel))) return undefined
    for (const its of lanes as ChannelLane[]) {
      this.#leaveReady(its)
      its.take()
      its.state = 'busy'
    }
    return { form: 'multi', events, lanes: lanes as ChannelLane[] }
  }
}
