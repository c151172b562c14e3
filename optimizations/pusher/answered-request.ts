import type { SendOutcome } from './send-outcome.ts'
import type { QueuedEvent } from './queued-event.ts'

/** What became of the events of a request. `outcome` is that of the last one, where it had to be split. */
export interface Answered {
  readonly outcome: SendOutcome
  readonly delivered: readonly QueuedEvent[]
  readonly refused: ReadonlyArray<{
    readonly event: QueuedEvent
    readonly scope: 'event' | 'app'
    readonly reason: string
  }>
  readonly again: readonly QueuedEvent[]
}

/** Whether a part of what was sent may be taken where the whole was not. */
export function isOfWhatItCarries(outcome: SendOutcome): boolean {
  if (outcome.kind === 'refused') return outcome.scope === 'event'
  return outcome.kind === 'unavailable' && outcome.isTooLarge === true
}
