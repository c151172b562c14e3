import type { OutboxReplay, ReplayedEvent } from '#optimizations/database/outbox-replay.ts'
import type { ChannelAuthorizer } from '#optimizations/pusher/channel-authorization.ts'
import { PusherError } from '#optimizations/pusher/errors.ts'
import type { EventName } from '#server/schemas/events.ts'
import type { ReplayEntry, Replayed } from '#server/schemas/realtime.ts'
import { SchemaMismatchError } from './build-by-schema.ts'
import type { Viewer } from './class-access.ts'
import type { EventBuilder } from './event-builder.ts'

export interface EventReplayService {
  /** What came after the last position that the viewer saw on each channel; null asks for the position alone. */
  replay(
    viewer: Viewer,
    positions: Readonly<Record<string, string | null>>,
  ): Promise<Readonly<Record<string, ReplayEntry>>>
}

export interface EventReplayDeps {
  readonly channels: Pick<ChannelAuthorizer<Viewer>, 'mayListen'>
  readonly outbox: Pick<OutboxReplay, 'read'>
  readonly events: EventBuilder
  /** False where events do not go through the outbox: then nothing is kept of them, and every question has a gap. */
  readonly isKept: boolean
}

/** In one reply: an event may have 10 kB, and there is always a next request. */
const EVENTS_PER_REPLY = 500
const LEAST_EVENTS_PER_CHANNEL = 5

export function createEventReplayService({ channels, outbox, events, isKept }: EventReplayDeps): EventReplayService {
  const refusalOf = async (viewer: Viewer, channel: string): Promise<ReplayEntry | undefined> => {
    try {
      return (await channels.mayListen(viewer, channel)) ? undefined : { status: 403, error: 'denied' }
    } catch (error) {
      if (error instanceof PusherError && error.code === 'invalid_request') return { status: 400, error: error.code }
      throw error
    }
  }
  /** Undefined for an event of another version of the table of events, which cannot be shown any more. */
  const build = ({ id, position, event, data, createdAt }: ReplayedEvent): Replayed | undefined => {
    try {
      // What the table does not know is refused by the builder, and each name has its data from there.
      const built = events.build(event as EventName, data as never)
      return { id, position, event, data: built, at: createdAt.getTime() } as Replayed
    } catch (error) {
      if (error instanceof SchemaMismatchError) return undefined
      throw error
    }
  }

  return {
    async replay(viewer, positions) {
      const asked = Object.entries(positions).map(([channel, after]) => ({ channel, after }))
      const refusals = await Promise.all(asked.map(({ channel }) => refusalOf(viewer, channel)))
      const entries = new Map<string, ReplayEntry>()
      for (const [index, { channel }] of asked.entries()) {
        const refusal = refusals[index]
        if (refusal !== undefined) entries.set(channel, refusal)
      }
      const granted = asked.filter(({ channel }) => !entries.has(channel))
      const limit = Math.max(LEAST_EVENTS_PER_CHANNEL, Math.floor(EVENTS_PER_REPLY / Math.max(1, granted.length)))
      const found = granted.length > 0 && isKept ? await outbox.read(granted, limit) : []
      for (const { channel, position, hasMore, isComplete, events: all } of found) {
        const shown = all.flatMap((event) => build(event) ?? [])
        const isWhole = isComplete && shown.length === all.length
        entries.set(channel, { status: 200, position, hasMore, isComplete: isWhole, events: shown })
      }
      for (const { channel, after } of isKept ? [] : granted) {
        entries.set(channel, { status: 200, position: '0', hasMore: false, isComplete: after === null, events: [] })
      }
      return Object.fromEntries(entries)
    },
  }
}
