/**
 * For pages that listen with pusher-js: brings what was told while the page was away. Pusher keeps nothing for those who
 * are not connected, so the application's own server is asked, whatever delivers the events. To be given to a delivery
 * guard (`createDeliveryGuard({ replay })`), which drops what comes both ways.
 *
 * Each time that a channel is subscribed its events are held back, what came after the last position is asked for and
 * goes first, and then what was held back. The first position is asked for when the channel begins to be watched.
 *
 * Request: POST, JSON `{ "positions": { "private-a": "12", "private-b": null } }`; null asks for the position alone.
 * Answer: JSON `{ "private-a": { "status": 200, "position": "14", "isComplete": true, "hasMore": false, "events":
 * [{ "id": "13", "position": "13", "event": "…", "data": … }, …] }, "private-b": { "status": 403, … } }`.
 *
 * @typedef {{ id: string, event: string, data: unknown }} ReplayedEvent
 * @typedef {{ position: string, isComplete: boolean, hasMore: boolean, events: ReplayedEvent[] }} Answer
 * @typedef {{ status: number, error?: string } & Partial<Answer>} Entry
 * @typedef {'removed' | 'too_many' | 'refused' | 'unavailable'} GapReason  removed: it is not kept any more. too_many:
 *   more than `maxEvents`, or than could be held back. refused: the user may not. unavailable: the server did not answer.
 *
 * @typedef {object} EventReplayOptions
 * @property {string} endpoint
 * @property {(gap: { channel: string, reason: GapReason }) => void} onGap The page should load anew what the channel tells of.
 * @property {number} [delayMs] How long questions gather.
 * @property {number} [maxChannels] The most channels in one request; it is sent at once when there are so many.
 * @property {number} [maxEvents] More are not replayed on a channel: to load anew is cheaper.
 * @property {number} [maxHeld] More are not held back on a channel while it is asked.
 * @property {number} [attempts] How often the server is asked before that is told.
 * @property {number} [timeoutMs] How long an answer may take.
 * @property {number} [retryMs] Before the second attempt; each one after it waits for twice as long.
 * @property {Record<string, string> | (() => Record<string, string> | Promise<Record<string, string>>)} [headers] A function is asked for each request.
 * @property {typeof globalThis.fetch} [fetch]
 *
 * @typedef {object} Sinks
 * @property {(event: string, payload: unknown) => void} live
 * @property {(event: ReplayedEvent) => void} replayed
 */

import { readStamp } from './delivery-guard.js'

/** Ids of the outbox are positions; what was published past it has other ids, and is not replayed. */
const POSITION = /^\d{1,15}$/

/** @param {number} ms */
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** @param {EventReplayOptions} options */
export function createEventReplay(options) {
  const { endpoint, onGap, delayMs = 10, maxChannels = 100, maxEvents = 1000, maxHeld = 1000 } = options
  const { attempts = 6, timeoutMs = 10_000, retryMs = 500, headers = {}, fetch = globalThis.fetch } = options
  /** @typedef {{ after: string | null, answer: (entry: Entry) => void }} Question */
  /** @type {Map<string, Question>} */
  let gathering = new Map()

  const send = async () => {
    const questions = gathering
    gathering = new Map()
    /** @type {Record<string, Entry>} */
    let entries = {}
    try {
      const response = await fetch(endpoint, {
        method: 'POST',
        signal: AbortSignal.timeout(timeoutMs),
        headers: {
          'content-type': 'application/json',
          ...(await (typeof headers === 'function' ? headers() : headers)),
        },
        body: JSON.stringify({
          positions: Object.fromEntries([...questions].map(([channel, { after }]) => [channel, after])),
        }),
      })
      if (response.ok) entries = /** @type {Record<string, Entry>} */ (await response.json())
    } catch {
      // No answer: it is asked again.
    }
    for (const [channel, { answer }] of questions) answer(entries?.[channel] ?? { status: 503 })
  }

  /**
   * @param {string} channel
   * @param {string | null} after
   * @returns {Promise<Entry>}
   */
  const ask = (channel, after) =>
    new Promise((answer) => {
      if (gathering.has(channel)) void send()
      if (gathering.size === 0) {
        const mine = gathering
        setTimeout(() => mine === gathering && void send(), delayMs)
      }
      gathering.set(channel, { after, answer })
      if (gathering.size >= maxChannels) void send()
    })

  /**
   * @param {string} channel
   * @param {Sinks} sinks
   */
  const follow = (channel, { live, replayed }) => {
    /** What was seen last; undefined until it is known. @type {string | undefined} */
    let position
    /** The first question for the position. @type {Promise<Entry> | undefined} */
    let locating = ask(channel, null)
    /** What was told before the position was known is not known to be seen. */
    let isLost = false
    /** While the server is asked. @type {[string, unknown][] | undefined} */
    let held
    /** Of the subscription: answers for an earlier one do not count. */
    let round = 0

    /** @param {string} event @param {unknown} payload */
    const pass = (event, payload) => {
      live(event, payload)
      const { stamp } = readStamp(payload)
      if (stamp !== undefined && POSITION.test(stamp.id) && Number(stamp.id) > Number(position ?? -1))
        position = stamp.id
    }

    const release = () => {
      const events = held ?? []
      held = undefined
      round += 1
      for (const [event, payload] of events) pass(event, payload)
    }

    /** @param {GapReason} reason */
    const tell = (reason) => onGap({ channel, reason })

    /** Undefined when it was not to be had. @param {() => boolean} isStale @returns {Promise<Answer | undefined>} */
    const fetchNext = async (isStale) => {
      for (let attempt = 1; !isStale(); attempt += 1) {
        const entry = await (position === undefined ? (locating ??= ask(channel, null)) : ask(channel, position))
        if (isStale()) return undefined
        if (entry.status === 200) return /** @type {Answer} */ (entry)
        if (position === undefined) {
          locating = undefined
          isLost = true
        }
        const isRefused = entry.status < 500
        if (isRefused || attempt === attempts) {
          if (round > 1) tell(isRefused ? 'refused' : 'unavailable')
          return undefined
        }
        await pause(retryMs * 2 ** (attempt - 1) * (0.5 + Math.random() / 2))
      }
      return undefined
    }

    const catchUp = async () => {
      const mine = (round += 1)
      held ??= []
      let count = 0
      for (let hasMore = true; hasMore;) {
        const answer = await fetchNext(() => mine !== round)
        if (mine !== round) return
        if (answer === undefined) break
        // Where the channel is now is known; what came since is the next question.
        const isLocated = position === undefined
        if (!answer.isComplete) tell('removed')
        if (isLocated && isLost && mine > 1) tell('unavailable')
        isLost = false
        for (const event of answer.events) replayed(event)
        if (mine !== round) return
        position = answer.position
        hasMore = isLocated || answer.hasMore
        count += answer.events.length
        if (hasMore && count >= maxEvents) {
          tell('too_many')
          position = locating = undefined
          count = 0
        }
      }
      release()
    }

    return {
      subscribed: () => void catchUp(),
      /** @type {(event: string, payload: unknown) => void} */
      take(event, payload) {
        if (held === undefined) return pass(event, payload)
        held.push([event, payload])
        if (held.length <= maxHeld) return
        tell('too_many')
        release()
      },
      stop() {
        round += 1
        held = undefined
      },
    }
  }

  return { follow }
}
