/**
 * For pages that listen with pusher-js: drops events that arrive twice, says when some are missing, and takes the stamp
 * off the data. Delivery is at least once, because a request that timed out may have been delivered all the same.
 * Events without a stamp pass as they are. A plain ES module without dependencies; a page loads it as it stands.
 *
 * @typedef {{ id: string, after: string | undefined, at: number }} Stamp
 * @typedef {{ channel: string, after: string, id: string }} Gap  `after` never came; `id` is the event that told so.
 * @typedef {{ channel: string, id: string, latencyMs: number }} Delivery
 * @typedef {object} GuardOptions
 * @property {number} [windowSize] Ids remembered for each channel: a duplicate that comes later than that gets through.
 * @property {number} [maxChannels] Channels remembered; the one unheard of for the longest time is forgotten.
 * @property {(gap: Gap) => void} [onGap] The page should load anew what the channel tells of.
 * @property {(delivery: Delivery) => void} [onDelivery] From publish() to now, as far as the two clocks agree.
 * @property {() => number} [now] Milliseconds since the epoch.
 * @property {Replay} [replay] Brings what was told while the page was away: see event-replay.js.
 *
 * @typedef {object} Follower
 * @property {() => void} subscribed
 * @property {(event: string, payload: unknown) => void} take
 * @property {() => void} stop
 *
 * @typedef {object} Sinks
 * @property {(event: string, payload: unknown) => void} live
 * @property {(event: { id: string, event: string, data: unknown }) => void} replayed
 *
 * @typedef {{ follow: (channel: string, sinks: Sinks) => Follower }} Replay
 *
 * @typedef {object} PusherChannel What is used of a pusher-js channel.
 * @property {string} name
 * @property {boolean} [subscribed]
 * @property {(callback: (event: string, data: unknown) => void) => unknown} bind_global
 * @property {(callback: (event: string, data: unknown) => void) => unknown} unbind_global
 */

/**
 * The data without its stamp, and the stamp if there was one.
 *
 * @param {unknown} payload
 * @returns {{ data: unknown, stamp: Stamp | undefined }}
 */
export function readStamp(payload) {
  if (typeof payload !== 'object' || payload === null || !('_event' in payload))
    return { data: payload, stamp: undefined }
  const { _event: words, ...data } = /** @type {{ _event: unknown, data?: unknown }} */ (payload)
  const [id, after, at, wrapper] = typeof words === 'string' ? words.split(' ') : []
  if (id === undefined || at === undefined) return { data: payload, stamp: undefined }
  const stamp = { id, after: after === '-' ? undefined : after, at: Number(at) }
  // A value that is no object travels as the member `data` beside its stamp, which says so.
  return { data: wrapper === 'v' ? data.data : data, stamp }
}

/** @param {GuardOptions} [options] */
export function createDeliveryGuard(options = {}) {
  const { windowSize = 1000, maxChannels = 1000, onGap, onDelivery, now = Date.now, replay } = options
  /** @type {Map<string, Set<string>>} */
  const channels = new Map()

  /** @param {string} channel */
  const seenOn = (channel) => {
    const seen = channels.get(channel) ?? new Set()
    channels.delete(channel)
    channels.set(channel, seen)
    if (channels.size > maxChannels) dropFirst(channels)
    return seen
  }

  /** @param {Set<string>} seen @param {string} id */
  const remember = (seen, id) => {
    seen.add(id)
    if (seen.size > windowSize) dropFirst(seen)
  }

  /**
   * Whether the event is to be used, and its data without the stamp. To be called once for each arrival.
   *
   * @param {string} channel
   * @param {unknown} payload
   */
  const accept = (channel, payload) => {
    const { data, stamp } = readStamp(payload)
    if (stamp === undefined) return { isDuplicate: false, data }
    const seen = seenOn(channel)
    const { id, after, at } = stamp
    if (seen.has(id)) return { isDuplicate: true, data }
    // Nothing can be said of what came before the first event of a channel.
    if (after !== undefined && seen.size > 0 && !seen.has(after)) onGap?.({ channel, after, id })
    remember(seen, id)
    onDelivery?.({ channel, id, latencyMs: now() - at })
    return { isDuplicate: false, data }
  }

  /**
   * Listens to a channel of pusher-js. Bind to what this returns instead of to the channel.
   *
   * @param {PusherChannel} channel
   */
  const watch = (channel) => {
    /** @type {Map<string, Set<(data: unknown) => void>>} */
    const listeners = new Map()
    /** @param {string} event @param {unknown} data */
    const call = (event, data) => {
      for (const listener of listeners.get(event) ?? []) listener(data)
    }
    /** @param {string} event @param {unknown} payload */
    const live = (event, payload) => {
      const { isDuplicate, data } = accept(channel.name, payload)
      if (!isDuplicate) call(event, data)
    }
    const follower = replay?.follow(channel.name, {
      live,
      replayed: ({ id, event, data }) => {
        const seen = seenOn(channel.name)
        if (seen.has(id)) return
        remember(seen, id)
        call(event, data)
      },
    })
    /** @type {(event: string, payload: unknown) => void} */
    const receive = (event, payload) => {
      if (event === 'pusher:subscription_succeeded') follower?.subscribed()
      if (event.startsWith('pusher:')) return
      if (follower === undefined) live(event, payload)
      else follower.take(event, payload)
    }
    channel.bind_global(receive)
    if (channel.subscribed) follower?.subscribed()
    return {
      /** @type {(event: string, listener: (data: unknown) => void) => void} */
      bind(event, listener) {
        listeners.set(event, (listeners.get(event) ?? new Set()).add(listener))
      },
      /** @type {(event: string, listener: (data: unknown) => void) => void} */
      unbind(event, listener) {
        listeners.get(event)?.delete(listener)
      },
      stop() {
        channel.unbind_global(receive)
        follower?.stop()
        channels.delete(channel.name)
      },
    }
  }

  return { accept, watch }
}

/** @param {Map<string, unknown> | Set<string>} entries */
function dropFirst(entries) {
  for (const key of entries.keys()) {
    entries.delete(key)
    return
  }
}
