import type { QueuedEvent } from './queued-event.ts'

/** What of a queue one tier may take: counts what is pending, and knows which of it came first. */
export class QueueBound {
  readonly maxEvents: number
  readonly maxBytes: number
  /** Accepted and not ended. */
  events = 0
  bytes = 0
  /** In the order of acceptance, with some that are queued no more. */
  #arrivals: QueuedEvent[] = []

  constructor({ maxEvents, maxBytes }: { readonly maxEvents: number; readonly maxBytes: number }) {
    this.maxEvents = maxEvents
    this.maxBytes = maxBytes
  }

  /** The share that is used, of the tighter one of the two bounds. */
  get fill(): number {
    return Math.max(this.events / this.maxEvents, this.bytes / this.maxBytes)
  }

  fits(more: readonly QueuedEvent[]): boolean {
    if (more.length === 0) return true
    let bytes = 0
    for (const event of more) bytes += event.input.bytes
    return this.events + more.length <= this.maxEvents && this.bytes + bytes <= this.maxBytes
  }

  add(event: QueuedEvent): void {
    this.events += 1
    this.bytes += event.input.bytes
  }

  remove(event: QueuedEvent): void {
    this.events -= 1
    this.bytes -= event.input.bytes
  }

  /** For who drops the oldest: the event may be taken by `takeOldest`. */
  note(event: QueuedEvent): void {
    this.#arrivals.push(event)
    if (this.#arrivals.length < 2 * this.maxEvents) return
    this.#arrivals = this.#arrivals.filter((queued) => queued.isQueued)
  }

  /** The event queued longest; undefined when what is left is all on its way. */
  takeOldest(): QueuedEvent | undefined {
    for (let oldest = this.#arrivals.shift(); oldest !== undefined; oldest = this.#arrivals.shift()) {
      if (oldest.isQueued) return oldest
    }
    return undefined
  }
}
