import type { Blame, EventOutcome, EventOutcomeKind } from './event-outcome.ts'
import type { EventPriority, PublishReceipt } from './publisher.ts'

/** 0 goes first. `immediate` is a class of its own, above the three priorities of the foreground. */
export type PriorityClass = 0 | 1 | 2 | 3 | 4

export const BACKGROUND_CLASS = 4

const PRIORITY_CLASS: Readonly<Record<EventPriority, PriorityClass>> = {
  high: 1,
  normal: 2,
  low: 3,
  background: BACKGROUND_CLASS,
}

/** Nothing lifts an event out of the background. */
export function priorityClassOf(priority: EventPriority, isImmediate: boolean): PriorityClass {
  return isImmediate && priority !== 'background' ? 0 : PRIORITY_CLASS[priority]
}

/**
 * The background gets what the foreground leaves: of the order, of connections, of the rate limit and of the queue. It
 * has batches and a bound of its own.
 */
export type Tier = 'foreground' | 'background'

export const TIERS = ['foreground', 'background'] as const satisfies readonly Tier[]

export function tierOf({ input }: QueuedEvent): Tier {
  return input.priorityClass === BACKGROUND_CLASS ? 'background' : 'foreground'
}

export interface QueuedEventInput {
  readonly id: string
  readonly channel: string
  readonly event: string
  readonly json: string
  /** Of the data as it will be sent. */
  readonly bytes: number
  readonly socketId: string | undefined
  readonly priorityClass: PriorityClass
  readonly coalesceKey: string | undefined
  /** Wall clock, for the stamp. */
  readonly publishedAt: number
  /** Monotonic, like `deadlineAt`. */
  readonly acceptedAt: number
  /** Infinity for none. */
  readonly deadlineAt: number
  /** It is given back instead of being lost, and with it all of its channel that came after it. */
  readonly isFromOutbox: boolean
}

/** The same event on its other channels, as long as one request for all of them is still possible. */
export interface ChannelGroup {
  readonly events: readonly QueuedEvent[]
  isSplit: boolean
}

/** One event on its way to one channel: from acceptance until its one end. */
export class QueuedEvent implements PublishReceipt {
  readonly input: QueuedEventInput
  group: ChannelGroup | undefined
  attempts = 0
  blame: Blame | undefined
  /** How many requests the app had taken when this event alone got a 500 last. */
  takenAtFailure: number | undefined
  /** In its lane: neither on its way nor ended. */
  isQueued = false
  /** Its part of a request's body, made once: a retry sends the same bytes, and encrypts nothing a second time. */
  wire: string | undefined
  /** Runs out at the deadline, while it is queued. */
  timer: Disposable | undefined
  #end: EventOutcome | undefined
  #listener: ((end: EventOutcome) => void) | undefined
  #settled: Promise<EventOutcome> | undefined

  constructor(input: QueuedEventInput) {
    this.input = input
  }

  get id(): string {
    return this.input.id
  }

  get end(): EventOutcome | undefined {
    return this.#end
  }

  /** Made only when somebody asks: most publishers never do. */
  get settled(): Promise<EventOutcome> {
    this.#settled ??=
      this.#end === undefined
        ? new Promise((resolve) => {
            this.#listener = resolve
          })
        : Promise.resolve(this.#end)
    return this.#settled
  }

  finish(outcome: EventOutcomeKind, reason: string, now: number): EventOutcome {
    this.timer?.[Symbol.dispose]()
    const { attempts, blame } = this
    this.#end = { outcome, reason, attempts, blame, latencyMs: now - this.input.acceptedAt }
    this.#listener?.(this.#end)
    return this.#end
  }
}
