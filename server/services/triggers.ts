import { PusherError } from '#optimizations/pusher/errors.ts'
import type { Role } from '#server/entities/user.ts'
import type { ChannelAccess } from './channel-access.ts'
import type { Viewer } from './class-access.ts'
import { ServiceError } from './errors.ts'
import type { EventPublisher } from './event-publishing.ts'

export interface Trigger {
  readonly channel: string
  readonly event: string
  readonly data: Readonly<Record<string, unknown>>
  /** The connection that caused it and does not get it back. */
  readonly socketId?: string | undefined
}

export interface TriggerService {
  /** Sends an event of people's own to a channel that they may join themselves. Answers its id once it is accepted. */
  trigger(viewer: Viewer, trigger: Trigger): Promise<string>
}

/** What the events of each role begin with. None of them is a word of the server's own: nobody forges a result. */
const ALLOWED: Readonly<Record<Role, readonly string[]>> = {
  student: ['typing.', 'hand.'],
  teacher: ['typing.', 'hand.', 'announcement.', 'activity.'],
  admin: ['typing.', 'hand.', 'announcement.', 'activity.', 'alert.'],
  parent: [],
}

export function createTriggerService({
  publisher,
  channelAccess,
}: {
  readonly publisher: Pick<EventPublisher, 'relay'>
  readonly channelAccess: ChannelAccess
}): TriggerService {
  return {
    async trigger(viewer, { channel, event, data, socketId }) {
      if (!ALLOWED[viewer.role].some((prefix) => event.startsWith(prefix))) {
        throw new ServiceError('forbidden', `Your role sends no event "${event}".`)
      }
      // What an admin may not join is somebody else's own channel, which is not for them to write to either.
      if ((await channelAccess.mayJoin(viewer, channel)) === false) {
        throw new ServiceError('forbidden', 'The channel is not yours to send to.')
      }
      const accepted = publisher.relay(channel, event, { from: viewer.id, data }, { socketId })
      const { id } = await accepted.catch((error: unknown) => {
        if (!(error instanceof PusherError) || error.code !== 'queue_full') throw error
        throw new ServiceError('too_many_events', 'More events are waiting than can be sent: try again in a moment.')
      })
      return id
    },
  }
}
