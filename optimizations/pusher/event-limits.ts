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

/** Names of an event, checked; throws `invalid_event` or, for more than 100 channels, `event_too_large`. */
export function checkNames(channels: readonly unknown[], event: unknown, socketId: unknown): void {
  const { channelsPerEvent, channelNameLength, eventNameLength } = PUSHER_LIMITS
  const name = String(event).slice(0, eventNameLength)
  if (channels.length === 0) throw new PusherError('invalid_event', `Event "${name}" names no channel`, { event: name })
  if (channels.length > channelsPerEvent) {
    const actual = channels.length
    throw new PusherError(
      'event_too_large',
      `Event "${name}" names ${actual} channels, ${channelsPerEvent} are allowed`,
      { event: name, actual, allowed: channelsPerEvent },
    )
  }
  for (const candidate of channels) {
    if (isChannelName(candidate)) continue
    const channel = String(candidate).slice(0, channelNameLength + 1)
    throw new PusherError('invalid_event', `"${channel}" is not a channel name`, { channel, event: name })
  }
  if (typeof event !== 'string' || event === '' || event.length > eventNameLength) {
    throw new PusherError('invalid_event', `An event name has 1 to ${eventNameLength} characters`, {
      channel: channels[0],
      actual: String(event).length,
      allowed: eventNameLength,
    })
  }
  if (socketId !== undefined && !isSocketId(socketId)) {
    throw new PusherError('invalid_event', 'Not a socket id', { channel: channels[0], event })
  }
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
