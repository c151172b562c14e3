import { describeError } from '#optimizations/kernel/errors.ts'
import { PusherError } from './errors.ts'
import { isEncryptedChannel } from './event-limits.ts'
import { createPusherLibrary, type PusherApp } from './pusher-app.ts'

/**
 * What travels in every event as its member `_event`, for the subscriber's helper (client/delivery-guard.js): `id` to
 * drop duplicates, `after` (the event before it on this channel, as far as this process knows) to see gaps, `at` (when
 * it was published, ms since the epoch) to measure the delivery. On the wire it is one string, `id after at` with `-`
 * for no `after`, and a fourth word `v` where the data is no object: a third of the bytes of an object,
 * which every subscriber would pay for.
 */
export interface EventStamp {
  readonly id: string
  readonly after: string | undefined
  readonly at: number
}

/** Room kept for `after`, which is known only when the event is sent. A longer id is left out. */
const MAX_AFTER_LENGTH = 40
const STAMP_BYTES = '"_event":"  0000000000000 v",'.length + MAX_AFTER_LENGTH
const WRAPPER_BYTES = '{"data":}'.length
const PLAIN_ID = /^[\w.:-]+$/

/** An id as it stands in a stamp: without blanks or anything that JSON escapes. */
export function wireId(id: string): string {
  return PLAIN_ID.test(id) ? id : encodeURIComponent(id)
}

/** The data as JSON; throws `invalid_event` for what JSON cannot say. */
export function encodeData(channel: string, event: string, data: unknown): string {
  let json: string | undefined
  try {
    json = JSON.stringify(data)
  } catch (error) {
    throw unfitData(channel, event, `its data is not JSON: ${describeError(error)}`, error)
  }
  if (json === undefined) throw unfitData(channel, event, 'it has no data')
  if (typeof data === 'object' && data !== null && '_event' in data) {
    throw unfitData(channel, event, 'the member "_event" is reserved')
  }
  return json
}

function unfitData(channel: string, event: string, why: string, cause?: unknown): PusherError {
  return new PusherError('invalid_event', `Event "${event}" on channel "${channel}": ${why}`, { channel, event }, cause)
}

/** Bytes of the `data` field as Pusher will count them: UTF-8, stamped, and encrypted where the channel asks for it. */
export function wireBytes(channel: string, json: string, id: string): number {
  const plain = Buffer.byteLength(json) + STAMP_BYTES + id.length + (json.startsWith('{') ? 0 : WRAPPER_BYTES)
  if (!isEncryptedChannel(channel)) return plain
  // {"nonce":"<24 bytes>","ciphertext":"<data and 16 bytes of authenticator>"}, both in base64.
  return '{"nonce":"","ciphertext":""}'.length + 32 + 4 * Math.ceil((plain + 16) / 3)
}

/**
 * The stamped data as the JSON string that the API wants in the field `data`. An object gets the stamp as one member
 * more; any other value becomes the member `data` beside it. The stamp goes in behind the escaping, so that the data,
 * which is the longer part, is not copied once more.
 */
export function stampedField(json: string, { id, after, at }: EventStamp): string {
  const escaped = JSON.stringify(json)
  const words = `${id} ${after === undefined || after.length > MAX_AFTER_LENGTH ? '-' : after} ${at}`
  if (!json.startsWith('{')) return `"{\\"_event\\":\\"${words} v\\",\\"data\\":${escaped.slice(1, -1)}}"`
  return `"{\\"_event\\":\\"${words}\\"${json === '{}' ? '' : ','}${escaped.slice(2)}`
}

const exceptField = (socketId: string | undefined): string =>
  socketId === undefined ? '' : `,"socket_id":"${socketId}"`

/** One event of a `batch_events` body. `field` is its data, see stampedField. */
export function batchItem(channel: string, event: string, field: string, socketId: string | undefined): string {
  return `{"channel":"${channel}","name":${JSON.stringify(event)},"data":${field}${exceptField(socketId)}}`
}

/** The body of `events`: one event to several channels. */
export function multiChannelBody(
  channels: readonly string[],
  event: string,
  field: string,
  socketId: string | undefined,
): string {
  const names = JSON.stringify(channels)
  return `{"name":${JSON.stringify(event)},"channels":${names},"data":${field}${exceptField(socketId)}}`
}

export type Encrypt = (channel: string, field: string) => string

/**
 * The official library's encryption, from one field `data` to another. It is not exported, so an instance of its own is
 * let trigger an event, with a `post` that keeps what would have been sent. The result is kept by the caller: a retry
 * must not encrypt again.
 */
export function createEncrypt(app: PusherApp): Encrypt {
  const library = createPusherLibrary(app)
  let encrypted = ''
  library.post = (options) => {
    encrypted = (options.body as unknown as { data: string }).data
    return Promise.resolve(undefined as never)
  }
  return (channel, field) => {
    void library.trigger(channel, 'encrypt', JSON.parse(JSON.parse(field) as string))
    return JSON.stringify(encrypted)
  }
}
