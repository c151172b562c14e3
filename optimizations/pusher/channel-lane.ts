import type { PriorityClass, QueuedEvent } from './queued-event.ts'

/**
 * idle: empty. ready: its head may be sent. busy: some of its events are on their way, the others wait for them.
 * resting: after a failure, until its delay is over.
 */
export type LaneState = 'idle' | 'ready' | 'busy' | 'resting'

/** So many dead places at least before an array is copied without them: the copying then costs next to nothing each. */
const COMPACT_FROM = 32

/** The queue of one channel: first in, first out. Events that ended while queued stay as tombstones until the head passes. */
export class ChannelLane {
  readonly channel: string
  state: LaneState = 'idle'
  /** Failures in a row of requests that carried its events. A lane that failed sends its head alone until it succeeds. */
  failures = 0
  readySince = 0
  /** The class it was made ready in, and its place there; 0 when it is not ready. */
  readyClass: PriorityClass = 3
  ticket = 0
  rest: Disposable | undefined
  /** Id of the event that went out last: the next one names it. */
  lastId: string | undefined
  /** Queued events that have not ended. */
  live = 0
  readonly #perClass: [number, number, number, number] = [0, 0, 0, 0]
  #events: QueuedEvent[] = []
  #head = 0
  #keyed: Map<string, QueuedEvent> | undefined

  constructor(channel: string) {
    this.channel = channel
  }

  /** The highest class among its events: an event is not held up by a lower one before it in its own channel. */
  get priorityClass(): PriorityClass {
    const counts = this.#perClass
    if (counts[0] > 0) return 0
    if (counts[1] > 0) return 1
    return counts[2] > 0 ? 2 : 3
  }

  /** Appends, and answers the queued event that it takes the place of, if any. */
  push(event: QueuedEvent): QueuedEvent | undefined {
    const { coalesceKey, socketId } = event.input
    this.#events.push(event)
    this.#count(event, 1)
    if (coalesceKey === undefined) {
      // An event without a key may rest on all that came before it: nothing after it may replace anything before it.
      this.#keyed?.clear()
      return undefined
    }
    // Per socket id, because the two events do not go to the same subscribers.
    const key = `${socketId ?? ''} ${coalesceKey}`
    this.#keyed ??= new Map()
    const replaced = this.#keyed.get(key)
    this.#keyed.set(key, event)
    return replaced
  }

  /** To be called when a queued event has ended. */
  forget(event: QueuedEvent): void {
    this.#leave(event)
    this.#compact()
  }

  peek(): QueuedEvent | undefined {
    this.#skipEnded()
    return this.#events[this.#head]
  }

  /** The event that was queued last, if it is still there. */
  last(): QueuedEvent | undefined {
    const last = this.#events.at(-1)
    return this.live > 0 && last?.end === undefined ? last : undefined
  }

  take(): QueuedEvent | undefined {
    const event = this.peek()
    if (event === undefined) return undefined
    this.#head += 1
    this.#leave(event)
    this.#compact()
    return event
  }

  /** Puts events back to the head, in their order. They cannot be coalesced any more: they may have been delivered. */
  putBack(events: readonly QueuedEvent[]): void {
    this.#events.splice(0, this.#head, ...events)
    this.#head = 0
    for (const event of events) this.#count(event, 1)
  }

  /** All that is queued, head first. */
  *queued(): Iterable<QueuedEvent> {
    for (const event of this.#events.slice(this.#head)) if (event.end === undefined) yield event
  }

  #skipEnded(): void {
    while (this.#events[this.#head]?.end !== undefined) this.#head += 1
  }

  /** Lets go of what was taken and of tombstones, once they are the greater part. */
  #compact(): void {
    const dead = this.#events.length - this.live
    if (dead < COMPACT_FROM || dead < this.live) return
    this.#events = [...this.queued()]
    this.#head = 0
  }

  #count(event: QueuedEvent, by: 1 | -1): void {
    this.live += by
    this.#perClass[event.input.priorityClass] += by
  }

  #leave(event: QueuedEvent): void {
    this.#count(event, -1)
    const { coalesceKey, socketId } = event.input
    if (coalesceKey === undefined || this.#keyed === undefined) return
    const key = `${socketId ?? ''} ${coalesceKey}`
    if (this.#keyed.get(key) === event) this.#keyed.delete(key)
  }
}
