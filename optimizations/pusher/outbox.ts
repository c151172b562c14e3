/** One event as the transactional outbox holds it. `id` is stable over redeliveries: the client drops duplicates by it. */
export interface OutboxEvent {
  readonly id: string
  readonly channel: string
  readonly event: string
  readonly data: unknown
  readonly socketId: string | null
  /** How often it was given back with `isAttempt`. */
  readonly attempts: number
  readonly createdAt: Date
}

/** What waits in an outbox. */
export interface OutboxDepth {
  readonly waiting: number
  readonly oldestAgeMs: number
  readonly deadLettered: number
}

export interface OutboxRelease {
  readonly delayMs: number
  readonly reason: string
  /** Whether it counts as an attempt, because Pusher said something about this event. Being claimed does not. */
  readonly isAttempt: boolean
}

/** The port that a transactional store fills: events that were committed with the data they tell of. */
export interface EventOutbox {
  /**
   * Claims up to `limit` events, oldest first, in order per channel: never an event of a channel that has an earlier
   * one unacknowledged elsewhere. Claims are leases of `leaseMs`, ten minutes at most.
   */
  claim(limit: number, leaseMs: number): Promise<readonly OutboxEvent[]>
  acknowledge(ids: readonly string[]): Promise<void>
  /** Gives events back to be tried again after `delayMs`. */
  release(ids: readonly string[], how: OutboxRelease): Promise<void>
  deadLetter(ids: readonly string[], reason: string): Promise<void>
  /** Calls `listener` when new events may be there; disposing stops it. */
  onWake(listener: () => void): Disposable
  depth(): Promise<OutboxDepth>
}
