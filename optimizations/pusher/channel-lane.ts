import { EventFifo } from './event-fifo.ts'
import { BACKGROUND_CLASS, TIERS, tierOf, type PriorityClass, type QueuedEvent, type Tier } from './queued-event.ts'

/**
 * idle: empty. ready: its head may be sent. busy: some of its events are on their way, the others wait for them.
 * resting: after a failure, until its delay is over.
 */
export type LaneState = 'idle' | 'ready' | 'busy' | 'resting'

/**
 * The queue of one channel: first in first out in the foreground, and first in first out in the background behind it.
 * Whatever waits in the background neither holds up what is in front of it nor moves up with it.
 */
export class ChannelLane {
  readonly channel: string
  state: LaneState = 'idle'
  /** Failures in a row of requests that carried its events. A lane that failed sends its head alone until it succeeds. */
  failures = 0
  readySince = 0
  /** The class it was made ready in, and its place there; 0 when it is not ready. */
  readyClass: PriorityClass = BACKGROUND_CLASS
  ticket = 0
  rest: Disposable | undefined
  /** Id of the event that went out last: the next one names it. */
  lastId: string | undefined
  readonly #fifos: Readonly<Record<Tier, EventFifo>> = { foreground: new EventFifo(), background: new EventFifo() }
  readonly #perClass: [number, number, number, number] = [0, 0, 0, 0]

  constructor(channel: string) {
    this.channel = channel
  }

  /** Queued events that have not ended. */
  get live(): number {
    return this.#fifos.foreground.live + this.#fifos.background.live
  }

  /** Those of them that may be sent next. */
  get liveInTier(): number {
    return this.#fifos[this.tier].live
  }

  /** Where its next event comes from. */
  get tier(): Tier {
    return this.#fifos.foreground.live > 0 ? 'foreground' : 'background'
  }

  /** The highest class among its events: in the foreground an event is not held up by a lower one before it. */
  get priorityClass(): PriorityClass {
    const counts = this.#perClass
    if (counts[0] > 0) return 0
    if (counts[1] > 0) return 1
    if (counts[2] > 0) return 2
    return counts[3] > 0 ? 3 : BACKGROUND_CLASS
  }

  /** Appends, and answers the queued event that it takes the place of, if any. */
  push(event: QueuedEvent): QueuedEvent | undefined {
    this.#count(event, 1)
    return this.#fifos[tierOf(event)].push(event)
  }

  /** To be called when a queued event has ended. */
  forget(event: QueuedEvent): void {
    this.#count(event, -1)
    this.#fifos[tierOf(event)].forget(event)
  }

  peek(): QueuedEvent | undefined {
    return this.#fifos[this.tier].peek()
  }

  /** The head of each tier that has one. */
  heads(): readonly QueuedEvent[] {
    return TIERS.flatMap((tier) => this.#fifos[tier].peek() ?? [])
  }

  /** The event of a tier that was queued last, if it is still there. */
  last(tier: Tier): QueuedEvent | undefined {
    return this.#fifos[tier].last()
  }

  take(): QueuedEvent | undefined {
    const event = this.#fifos[this.tier].take()
    if (event !== undefined) this.#count(event, -1)
    return event
  }

  /** Puts events of one request back to the head of their tier, in their order. */
  putBack(events: readonly QueuedEvent[]): void {
    const [first] = events
    if (first === undefined) return
    for (const event of events) this.#count(event, 1)
    this.#fifos[tierOf(first)].putBack(events)
  }

  /** All that is queued, in the order of sending. */
  *queued(): Iterable<QueuedEvent> {
    yield* this.#fifos.foreground.queued()
    yield* this.#fifos.background.queued()
  }

  #count({ input: { priorityClass } }: QueuedEvent, by: 1 | -1): void {
    if (priorityClass !== BACKGROUND_CLASS) this.#perClass[priorityClass] += by
  }
}
