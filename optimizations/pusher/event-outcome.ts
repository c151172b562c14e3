/**
 * Of what Pusher complained, other than of what the event carries. app: credentials, quota or settings of the app.
 * event: it answered 500 to this event alone while it took others.
 */
export type Blame = 'app' | 'event'

/**
 * How an event ended; every accepted event ends exactly once. delivered: Pusher took it. coalesced: a later event of
 * its key took its place. refused: the queue's policy. expired: its deadline. dead_lettered: Pusher refuses it, or it
 * could not be sent in time. released: back to the outbox, to be claimed again.
 */
export type EventOutcomeKind = 'delivered' | 'coalesced' | 'refused' | 'expired' | 'dead_lettered' | 'released'

export interface EventOutcome {
  readonly outcome: EventOutcomeKind
  /** A short stable word for counters, `ok` when delivered. */
  readonly reason: string
  readonly attempts: number
  /** Undefined where nobody answered, or what was said was not about it. */
  readonly blame?: Blame | undefined
  /** From publish() to the end. */
  readonly latencyMs: number
}
