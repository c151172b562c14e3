import { PusherError } from './errors.ts'

/**
 * Limits of the hosted service (pusher.com/docs, "Publishing events" and "Naming conventions"). A server of one's own may
 * allow more; what is sent within these is taken everywhere.
 */
export const PUSHER_LIMITS = {
  channelsPerEvent: 100,
  eventsPerBatch: 10,
  dataBytes: 10_240,
  channelNameLength: 164,
  eventNameLength: 200,
  presenceUserIdLength: 128,
  presenceUserBytes: 1_024,
  watchlistLength: 100,
} as const

const CHANNEL_NAME = /^[A-Za-z0-9_\-=@,.;]+$/
const SOCKET_ID = /^\d{1,20}\.\d{1,20}$/

export function isChannelName(value: unknown): boolean {
  return typeof value === 'string' && value.length <= PUSHER_LIMITS.channelNameLength && CHANNEL_NAME.test(value)
}

export function isSocketId(value: unknown): boolean {
  return typeof value === 'string' && SOCKET_ID.test(value)
}

/** The event goes to every channel of such a name encrypted, with a key of its own. */
export function isEncryptedChannel(channel: string): boolean {
  return channel.startsWith('private-encrypted-')
}

/** Throws `invalid_event` for a name that Pusher does not take. */
export function checkNames(channel: unknown, event: unknown, socketId: unknown): void {
  const { channelNameLength, eventNameLength } = PUSHER_LIMITS
  if (!isChannelName(channel)) {
    const shown = String(channel).slice(0, channelNameLength + 1)
    throw new PusherError('invalid_event', `"${shown}" is not a channel name`, { channel: shown })
  }
  if (typeof event !== 'string' || event === '' || event.length > eventNameLength) {
    const actual = String(event).length
    throw new PusherError(
      'invalid_event',
      `An event name on channel "${String(channel)}" has ${actual} characters, 1 to ${eventNameLength} are allowed`,
      {
        channel,
        actual,
        allowed: eventNameLength,
      },
    )
  }
  if (socketId !== undefined && !isSocketId(socketId)) {
    throw new PusherError('invalid_event', `Event "${event}" excludes what is not a socket id`, { channel, event })
  }
}

/** Throws `event_too_large` for more than 100 channels, `invalid_event` for none. */
export function checkChannelCount(channels: readonly unknown[], event: string): void {
  const allowed = PUSHER_LIMITS.channelsPerEvent
  const actual = channels.length
  if (actual === 0) throw new PusherError('invalid_event', `Event "${event}" names no channel`, { event })
  if (actual <= allowed) return
  throw new PusherError('event_too_large', `Event "${event}" names ${actual} channels, ${allowed} are allowed`, {
    channel: channels[0],
    event,
    actual,
    allowed,
  })
}

/** Throws `event_too_large` when the data as it would be sent has too many bytes. */
export function checkSize(channel: string, event: string, bytes: number): void {
  const allowed = PUSHER_LIMITS.dataBytes
  if (bytes <= allowed) return
  throw new PusherError(
    'event_too_large',
    `Event "${event}" on channel "${channel}" has ${bytes} bytes of data, ${allowed} are allowed`,
    { channel, event, actual: bytes, allowed },
  )
}
