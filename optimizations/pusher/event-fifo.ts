import type { QueuedEvent } from './queued-event.ts'

/** So many dead places at least before an array is copied without them: the copying then costs next to nothing each. */
const COMPACT_FROM = 32

/** First in, first out. Events that ended while queued stay as tombstones until the head passes. */
export class EventFifo {
  /** Queued events that have not ended. */
  live = 0
  #events: QueuedEvent[] = []
  #head = 0
  #keyed: Map<string, QueuedEvent> | undefined

  /** Appends, and answers the queued event that it takes the place of, if any. */
  push(event: QueuedEvent): QueuedEvent | undefined {
    const { coalesceKey, socketId } = event.input
    this.#events.push(event)
    this.live += 1
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
    while (this.#events[this.#head]?.end !== undefined) this.#head += 1
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
    this.live += events.length
  }

  /** All that is queued, head first. */
  *queued(): Iterable<QueuedEvent> {
    for (const event of this.#events.slice(this.#head)) if (event.end === undefined) yield event
  }

  /** Lets go of what was taken and of tombstones, once they are the greater part. */
  #compact(): void {
    const dead = this.#events.length - this.live
    if (dead < COMPACT_FROM || dead < this.live) return
    this.#events = [...this.queued()]
    this.#head = 0
  }

  #leave(event: QueuedEvent): void {
    this.live -= 1
    const { coalesceKey, socketId } = event.input
    if (coalesceKey === undefined || this.#keyed === undefined) return
    const key = `${socketId ?? ''} ${coalesceKey}`
    if (this.#keyed.get(key) === event) this.#keyed.delete(key)
  }
}
