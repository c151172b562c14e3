import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'

import type { Clock } from '#optimizations/kernel/clock.ts'
import { PusherError } from './errors.ts'
import { isChannelName, PUSHER_LIMITS } from './event-limits.ts'
import type { PusherTransport } from './pusher-transport.ts'
import type { PusherApp } from './pusher-app.ts'
import { parseSignedWebhook, type WebhookRequest } from './signed-webhook.ts'
import type { WebhookMemory } from './webhook-memory.ts'

/** What Pusher says of a channel. Counts are there where the kind of channel and the app's settings allow them. */
export interface ChannelInfo {
  readonly occupied: boolean
  readonly userCount?: number
  readonly subscriptionCount?: number
}

/** The state of channels, asked of Pusher's HTTP API and cached briefly; verified webhooks keep it fresh. */
export interface ChannelState {
  /** Rejects with PusherError where Pusher refuses or does not answer. */
  info(channel: string): Promise<ChannelInfo>
  /** User ids present in a presence channel; never cached. */
  users(channel: string): Promise<readonly string[]>
  /** Closes every connection of a signed-in user. */
  terminateConnections(userId: string): Promise<void>
  /**
   * Applies a webhook; false, and nothing applied, when it is forged, damaged or too old. One that was taken before, by
   * whatever process, is true and not applied again: Pusher repeats what it got no answer to.
   */
  receiveWebhook(request: WebhookRequest): Promise<boolean>
}

export interface ChannelStateOptions {
  readonly ttlMs: number
  readonly maxChannels: number
  /** Ask for subscription counts: they must be switched on in the app's settings, or the question is refused. */
  readonly asksSubscriptionCounts: boolean
}

interface WebhookEvent {
  readonly name: string
  readonly channel?: string
  readonly subscription_count?: number
}

/** Pusher repeats a webhook for five minutes; what is older is a replay. */
const MAX_WEBHOOK_AGE_MS = 300_000
/** A process whose clock is behind accepts a webhook for a little longer. */
const CLOCK_SLACK_MS = 60_000

/** One app's channels. */
export class HttpChannelState implements ChannelState {
  readonly #transport: PusherTransport
  readonly #clock: Clock
  readonly #options: ChannelStateOptions
  readonly #onHit: () => void
  readonly #app: PusherApp
  readonly #webhooks: WebhookMemory
  readonly #infos: LRUCache<string, Promise<ChannelInfo>>

  constructor(
    deps: {
      readonly app: PusherApp
      readonly transport: PusherTransport
      readonly clock: Clock
      readonly onHit: () => void
      readonly webhooks: WebhookMemory
    },
    options: ChannelStateOptions,
  ) {
    this.#transport = deps.transport
    this.#clock = deps.clock
    this.#onHit = deps.onHit
    this.#app = deps.app
    this.#webhooks = deps.webhooks
    this.#options = options
    const { ttlMs, maxChannels } = options
    const perf = { now: () => deps.clock.monotonic() }
    this.#infos = new LRUCache({ max: maxChannels, ttl: ttlMs, ttlResolution: 0, perf })
  }

  async info(channel: string): Promise<ChannelInfo> {
    checkChannel(channel)
    const known = this.#infos.get(channel)
    if (known !== undefined) {
      this.#onHit()
      return known
    }
    const asked = this.#ask(channel)
    this.#infos.set(channel, asked)
    asked.catch(() => {
      if (this.#infos.peek(channel) === asked) this.#infos.delete(channel)
    })
    return asked
  }

  async users(channel: string): Promise<readonly string[]> {
    checkChannel(channel)
    if (!channel.startsWith('presence-')) {
      throw new PusherError('invalid_request', `"${channel}" is not a presence channel`, { channel })
    }
    const { users } = await this.#request('GET', `/channels/${channel}/users`)
    return Array.isArray(users) ? users.map((user: { id: unknown }) => String(user.id)) : []
  }

  async terminateConnections(userId: string): Promise<void> {
    if (userId === '' || userId.length > PUSHER_LIMITS.presenceUserIdLength) {
      throw new PusherError('invalid_request', 'Not a user id')
    }
    await this.#request('POST', `/users/${encodeURIComponent(userId)}/terminate_connections`)
  }

  async receiveWebhook(request: WebhookRequest): Promise<boolean> {
    const webhook = parseSignedWebhook(this.#app, request)
    if (webhook === undefined) return false
    const ageMs = this.#clock.now() - webhook.sentAt
    if (Math.abs(ageMs) > MAX_WEBHOOK_AGE_MS) {
      this.#webhooks.refuseByTime(ageMs)
      return false
    }
    const digest = createHash('sha256').update(request.rawBody).digest('base64url')
    const acceptedForMs = Math.ceil(MAX_WEBHOOK_AGE_MS - ageMs) + CLOCK_SLACK_MS
    if (!(await this.#webhooks.claim(`${this.#app.appId}:${digest}`, acceptedForMs))) return true
    for (const event of distinct(webhook.events)) this.#apply(event)
    return true
  }

  /** A count is taken over; whatever else changed makes the next question go to Pusher. */
  #apply({ name, channel, subscription_count: count }: WebhookEvent): void {
    if (channel === undefined) return
    if (name === 'subscription_count' && typeof count === 'number') {
      this.#infos.set(channel, Promise.resolve({ occupied: count > 0, subscriptionCount: count }))
    } else if (name === 'channel_vacated') {
      this.#infos.set(channel, Promise.resolve({ occupied: false }))
    } else if (name !== 'client_event' && name !== 'cache_miss') this.#infos.delete(channel)
  }

  async #ask(channel: string): Promise<ChannelInfo> {
    const isPresence = channel.startsWith('presence-')
    const attributes = [
      ...(isPresence ? ['user_count'] : []),
      ...(this.#options.asksSubscriptionCounts && !isPresence ? ['subscription_count'] : []),
    ]
    const answer = await this.#request(
      'GET',
      `/channels/${channel}`,
      attributes.length > 0 ? { info: attributes.join(',') } : {},
    )
    const { occupied, user_count: userCount, subscription_count: subscriptionCount } = answer
    if (typeof occupied !== 'boolean') {
      throw new PusherError('pusher_rejected', 'What answers is not Pusher', { channel })
    }
    return {
      occupied,
      ...(typeof userCount === 'number' ? { userCount } : {}),
      ...(typeof subscriptionCount === 'number' ? { subscriptionCount } : {}),
    }
  }

  async #request(
    method: 'GET' | 'POST',
    path: string,
    params: Readonly<Record<string, string>> = {},
  ): Promise<Record<string, unknown>> {
    const { status, body, fault } = await this.#transport.request(method, path, params)
    if (status === 0) throw new PusherError('pusher_unreachable', `Pusher does not answer: ${fault}`, { path })
    const answer = parseObject(body)
    if (status >= 300 || answer === undefined || 'error' in answer) {
      throw new PusherError('pusher_rejected', `Pusher answers ${status} to ${path}`, { path, status })
    }
    return answer
  }
}

/** What is said twice in one webhook, at its one time, was said once. In whatever order its members stand. */
function distinct(events: readonly object[]): Iterable<WebhookEvent> {
  const contentOf = (event: object): string =>
    JSON.stringify(Object.entries(event).toSorted(([one], [other]) => (one < other ? -1 : 1)))
  return new Map(events.map((event) => [contentOf(event), event as WebhookEvent])).values()
}

function checkChannel(channel: string): void {
  if (!isChannelName(channel)) throw new PusherError('invalid_request', 'Not a channel name')
}

function parseObject(body: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(body)
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
