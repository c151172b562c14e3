import type { HttpAnswer } from './http-answer.ts'
import type { SendOutcome } from './send-outcome.ts'

/** Wrong key or secret, app disabled or over its quota, app unknown: no fault of the event. */
const APP_STATUSES: ReadonlySet<number> = new Set([401, 402, 403, 404])
/** What Pusher says about an event. Every other status speaks of the address, or of whoever stands in front of Pusher. */
const EVENT_STATUSES: ReadonlySet<number> = new Set([400, 413, 422])

/**
 * What an answer to events means. It is believed where Pusher wrote it: a page of a gateway, or the 200 of a wrong host, is
 * a fault of the address, and the events are sent again.
 */
export function classifyAnswer(answer: HttpAnswer): SendOutcome {
  const { body, fault, retryAfterMs } = answer
  const status = spokenStatus(answer)
  if (status === 0) return { kind: 'unavailable', reason: fault ?? 'no_answer' }
  if (isSuccess(status)) return isTaken(answer) ? { kind: 'delivered' } : { kind: 'unavailable', reason: 'not_pusher' }
  const reason = `http_${status}`
  if (status === 429) return { kind: 'throttled', reason, retryAfterMs }
  if (APP_STATUSES.has(status) && !isPage(body)) return { kind: 'refused', scope: 'app', reason }
  if (EVENT_STATUSES.has(status) && saysWhy(body)) return { kind: 'refused', scope: 'event', reason }
  return { kind: 'unavailable', reason, retryAfterMs, ...(status === 413 ? { isTooLarge: true } : {}) }
}

/** soketi answers most errors with status 200 and `{"error", "code"}` in the body: that code. */
export function spokenStatus({ status, body }: HttpAnswer): number {
  if (!isSuccess(status) || !body.includes('"error"')) return status
  const code = parseObject(body)?.['code']
  return typeof code === 'number' && code >= 400 && code < 600 ? code : status
}

/** Whether it is what Pusher answers to `GET /channels`. */
export function isChannelList(body: string): boolean {
  return isObject(parseObject(body)?.['channels'])
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300
}

/**
 * `{}`, or one of the members that Pusher, soketi (`ok`) and Reverb (`batch`) answer with. An answer that broke off changes
 * nothing about the status that was read, as long as it may have become one of those.
 */
function isTaken({ body, fault }: HttpAnswer): boolean {
  if (body === '{}') return true
  if (fault !== undefined) return /^\s*(\{|$)/.test(body)
  const answer = parseObject(body)
  if (answer === undefined || 'error' in answer) return false
  const { channels, batch, ok } = answer
  return Object.keys(answer).length === 0 || isObject(channels) || isObject(batch) || ok === true
}

/** Pusher says in text what is wrong, others in JSON. Gateways send nothing, or a page. */
function saysWhy(body: string): boolean {
  const text = body.trim()
  return text !== '' && text !== '{}' && !isPage(text)
}

function isPage(body: string): boolean {
  return body.trimStart().startsWith('<')
}

function parseObject(body: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(body)
    return isObject(parsed) && !Array.isArray(parsed) ? (parsed as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null
