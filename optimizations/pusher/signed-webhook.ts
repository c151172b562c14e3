import { createHmac, timingSafeEqual } from 'node:crypto'

import type { PusherApp } from './pusher-app.ts'

export interface WebhookRequest {
  /** With lower-case names, as node:http gives them. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** The body's text before any parsing, as it came out of any Content-Encoding: the signature is over its bytes. */
  readonly rawBody: string
}

export interface SignedWebhook {
  /** Wall clock of the sender, in milliseconds. */
  readonly sentAt: number
  readonly events: readonly object[]
}

const JSON_TYPE = /^application\/json\s*(;|$)/i
const BYTE_ORDER_MARK = '\uFEFF'

/**
 * What the app signed; undefined for everything else. Not by the official library: it refuses a charset and a byte order mark,
 * and throws where there is no signature, or no list of events.
 */
export function parseSignedWebhook({ key, secret }: PusherApp, request: WebhookRequest): SignedWebhook | undefined {
  const { headers, rawBody } = request
  const signature = headers['x-pusher-signature']
  if (headers['x-pusher-key'] !== key || typeof signature !== 'string') return undefined
  if (!JSON_TYPE.test(String(headers['content-type']))) return undefined
  const expected = createHmac('sha256', secret).update(rawBody).digest()
  const given = Buffer.from(signature, 'hex')
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined
  // The signature says who sent it, and not what it is.
  const body = parseJson(rawBody.startsWith(BYTE_ORDER_MARK) ? rawBody.slice(1) : rawBody)
  if (!isObject(body) || !('time_ms' in body) || !('events' in body)) return undefined
  const { time_ms: sentAt, events } = body
  if (typeof sentAt !== 'number' || !Array.isArray(events) || !events.every(isObject)) return undefined
  return { sentAt, events }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null
