import { z } from 'zod'
import { At, EVENTS } from './events.ts'

/** How many channels one request may name: subscriptions to be signed, or channels to be replayed. */
export const MAX_CHANNELS_PER_REQUEST = 100

/** Of an event on its channel. 15 digits are more than will ever be, and are exact as a number of JavaScript. */
export const Position = z.string().regex(/^\d{1,15}$/, 'is not a position')

type Names = keyof typeof EVENTS
type ReplayedAs<Name extends Names> = {
  readonly id: string
  readonly position: string
  readonly event: Name
  readonly at: number
  readonly data: z.infer<(typeof EVENTS)[Name]>
}
export type Replayed = { [Name in Names]: ReplayedAs<Name> }[Names]

const replayedAs = ([event, data]: [string, z.ZodType]) =>
  z.object({ id: z.string(), position: Position, event: z.literal(event), at: At, data })

const [first, ...others] = Object.entries(EVENTS).map(replayedAs) as [ReturnType<typeof replayedAs>]

/** An event as it was told: its name decides what its data are. */
const Replayed = z.discriminatedUnion('event', [first, ...others]) as unknown as z.ZodType<Replayed>

export const ReplayEntry = z.union([
  z.object({
    status: z.literal(200),
    position: Position.describe('Up to where this reaches: what to ask after next time'),
    isComplete: z.boolean().describe('False when something after the asked position is not kept any more'),
    hasMore: z.boolean().describe('Ask again after this position, at once'),
    events: z.array(Replayed),
  }),
  z.object({ status: z.union([z.literal(400), z.literal(403)]), error: z.string() }),
])
export type ReplayEntry = z.infer<typeof ReplayEntry>
