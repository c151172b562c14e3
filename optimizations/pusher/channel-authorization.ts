import { LRUCache } from 'lru-cache'

import { systemClock, type Clock } from '#optimizations/kernel/clock.ts'
import { PusherError } from './errors.ts'
import { isChannelName, isSocketId, PUSHER_LIMITS } from './event-limits.ts'
import { createPusherLibrary, type PusherApp } from './pusher-app.ts'

/** Whoever the application authenticated. The identity in a presence channel is this id and never one from the request. */
export interface ChannelUser {
  readonly id: string
}

/** What the policy says: yes or no, or yes with what the members of a presence channel see of the user. */
export type ChannelDecision = boolean | { readonly userInfo: Readonly<Record<string, unknown>> }

export type ChannelPolicy<User extends ChannelUser> = (user: User, channel: string) => Promise<ChannelDecision>

/** The answer that pusher-js expects, member for member. */
export interface ChannelAuthorization {
  readonly auth: string
  readonly channel_data?: string
  readonly shared_secret?: string
}

export interface UserAuthentication {
  readonly auth: string
  readonly user_data: string
}

/** One channel's answer in a batch: exactly one of the two. */
export type BatchAuthorizationEntry =
  | { readonly status: 200; readonly authorization: ChannelAuthorization }
  | { readonly status: 400 | 403 | 500; readonly error: string }

export interface ChannelAuthorizerOptions<User extends ChannelUser> {
  readonly app: PusherApp
  readonly policy: ChannelPolicy<User>
  /** How long a permission is remembered; at most 60 s. */
  readonly ttlMs?: number
  /** How long a refusal is remembered: short, so that somebody just enrolled is not kept out. */
  readonly deniedTtlMs?: number
  readonly maxDecisions?: number
  /** The most channels in one batch. */
  readonly maxChannels?: number
}

export interface ChannelAuthorizationStats {
  readonly signed: number
  readonly denied: number
  readonly cacheHits: number
  readonly policyCalls: number
}

const MAX_TTL_MS = 60_000
/** Under a storm of revocations the latest answer stands. */
const MAX_ROUNDS = 3

/**
 * Signs channel subscriptions that the policy allows. The decision is cached per user and channel; the signature never
 * is, because it belongs to one socket and costs less than a look-up.
 */
export class ChannelAuthorizer<User extends ChannelUser> {
  readonly #library: ReturnType<typeof createPusherLibrary>
  readonly #policy: ChannelPolicy<User>
  readonly #decisions: LRUCache<string, Promise<ChannelDecision>>
  readonly #ttlMs: number
  readonly #deniedTtlMs: number
  readonly #maxChannels: number
  readonly #stats = { signed: 0, denied: 0, cacheHits: 0, policyCalls: 0 }

  constructor(options: ChannelAuthorizerOptions<User>, clock: Clock) {
    this.#library = createPusherLibrary(options.app)
    this.#policy = options.policy
    this.#ttlMs = Math.min(options.ttlMs ?? MAX_TTL_MS, MAX_TTL_MS)
    this.#deniedTtlMs = Math.min(options.deniedTtlMs ?? 1_000, this.#ttlMs)
    this.#maxChannels = options.maxChannels ?? PUSHER_LIMITS.channelsPerEvent
    this.#decisions = new LRUCache({
      max: options.maxDecisions ?? 10_000,
      ttl: this.#ttlMs,
      // The clock is read at every look-up: a decision is not valid a moment longer than it says.
      ttlResolution: 0,
      perf: { now: () => clock.monotonic() },
    })
  }

  /** Signs the subscription, or rejects with PusherError `denied` or `invalid_request`. */
  async authorize(user: User, socketId: string, channel: string): Promise<ChannelAuthorization> {
    checkSocketId(socketId)
    checkChannel(channel)
    const decision = await this.#decide(user, channel)
    if (decision === false) {
      this.#stats.denied += 1
      throw new PusherError('denied', `User ${user.id} may not subscribe to "${channel}"`, { channel })
    }
    this.#stats.signed += 1
    if (!channel.startsWith('presence-')) return this.#library.authorizeChannel(socketId, channel)
    return this.#library.authorizeChannel(socketId, channel, presenceMember(user, decision))
  }

  /**
   * The decision of a subscription, for what else shows what is told on a channel: its replay. Rejects with PusherError
   * `invalid_request` for what is no private or presence channel.
   */
  async mayListen(user: User, channel: string): Promise<boolean> {
    checkChannel(channel)
    const decision = await this.#decide(user, channel)
    if (decision === false) this.#stats.denied += 1
    return decision !== false
  }

  /** The answers for many channels of one socket, each on its own: one refusal does not spoil the others. */
  async authorizeMany(
    user: User,
    socketId: string,
    channels: readonly string[],
  ): Promise<Readonly<Record<string, BatchAuthorizationEntry>>> {
    if (channels.length > this.#maxChannels) {
      throw new PusherError('invalid_request', `At most ${this.#maxChannels} channels in one request`, {
        actual: channels.length,
        allowed: this.#maxChannels,
      })
    }
    const distinct = [...new Set(channels)]
    const entries = await Promise.all(distinct.map((channel) => this.#entry(user, socketId, channel)))
    return Object.fromEntries(distinct.map((channel, index) => [channel, entries[index] as BatchAuthorizationEntry]))
  }

  /** Signs a user in (pusher-js `signin`), with the users whose coming and going they want to hear of. */
  authenticateUser(
    user: User,
    socketId: string,
    profile: { readonly userInfo?: Readonly<Record<string, unknown>>; readonly watchlist?: readonly string[] } = {},
  ): UserAuthentication {
    checkSocketId(socketId)
    const { userInfo, watchlist } = profile
    if (watchlist !== undefined && watchlist.length > PUSHER_LIMITS.watchlistLength) {
      throw new PusherError('invalid_request', `A watchlist has at most ${PUSHER_LIMITS.watchlistLength} users`, {
        actual: watchlist.length,
        allowed: PUSHER_LIMITS.watchlistLength,
      })
    }
    return this.#library.authenticateUser(socketId, {
      id: user.id,
      ...(userInfo === undefined ? {} : { user_info: userInfo }),
      ...(watchlist === undefined ? {} : { watchlist }),
    })
  }

  /**
   * Forgets what was decided for a user, on one channel or on all: to be called when enrolment or role changes. A
   * decision that is being made at this moment is not kept either.
   */
  revoke(userId: string, channel?: string): void {
    if (channel !== undefined) {
      this.#decisions.delete(decisionKey(userId, channel))
      return
    }
    const prefix = decisionKey(userId, '')
    for (const key of this.#decisions.keys()) if (key.startsWith(prefix)) this.#decisions.delete(key)
  }

  stats(): ChannelAuthorizationStats {
    return { ...this.#stats }
  }

  async #entry(user: User, socketId: string, channel: string): Promise<BatchAuthorizationEntry> {
    try {
      return { status: 200, authorization: await this.authorize(user, socketId, channel) }
    } catch (error) {
      const code = error instanceof PusherError ? error.code : 'internal'
      if (code === 'denied') return { status: 403, error: 'denied' }
      if (code === 'invalid_request') return { status: 400, error: code }
      return { status: 500, error: 'internal' }
    }
  }

  /** A decision that was revoked while it was being made is made anew, because it may rest on what was true before. */
  async #decide(user: User, channel: string): Promise<ChannelDecision> {
    const key = decisionKey(user.id, channel)
    for (let round = 1; ; round += 1) {
      const known = this.#decisions.get(key)
      if (known !== undefined) this.#stats.cacheHits += 1
      const asked = known ?? this.#ask(key, user, channel)
      const decision = await asked
      if (this.#decisions.peek(key) === asked || round === MAX_ROUNDS) return decision
    }
  }

  /** One question to the policy for all who ask at the same time; a failed answer is forgotten at once. */
  #ask(key: string, user: User, channel: string): Promise<ChannelDecision> {
    const asked = this.#policy(user, channel)
    // Only this very answer is dropped or shortened: after a revoke another one may stand in its place.
    const isCurrent = (): boolean => this.#decisions.peek(key) === asked
    this.#stats.policyCalls += 1
    this.#decisions.set(key, asked)
    asked.then(
      (decision) => {
        if (decision === false && isCurrent()) this.#decisions.set(key, asked, { ttl: this.#deniedTtlMs })
      },
      () => {
        if (isCurrent()) this.#decisions.delete(key)
      },
    )
    return asked
  }
}

/** Builds the authorizer of an app; see ChannelAuthorizer. */
export function createChannelAuthorizer<User extends ChannelUser>(
  options: ChannelAuthorizerOptions<User>,
  deps: { readonly clock?: Clock } = {},
): ChannelAuthorizer<User> {
  return new ChannelAuthorizer(options, deps.clock ?? systemClock)
}

/** The length comes first, so that no user id can end in what looks like another's channel. */
function decisionKey(userId: string, channel: string): string {
  return `${userId.length}:${userId}:${channel}`
}

function checkSocketId(socketId: string): void {
  if (!isSocketId(socketId)) throw new PusherError('invalid_request', 'Not a socket id')
}

function checkChannel(channel: string): void {
  if (!isChannelName(channel) || !/^(private|presence)-./.test(channel)) {
    throw new PusherError('invalid_request', 'Only private and presence channels are authorized', {
      channel: channel.slice(0, PUSHER_LIMITS.channelNameLength + 1),
    })
  }
}

function presenceMember(user: ChannelUser, decision: ChannelDecision): { user_id: string; user_info: object } {
  const member = { user_id: user.id, user_info: typeof decision === 'object' ? decision.userInfo : {} }
  const bytes = Buffer.byteLength(JSON.stringify(member))
  if (user.id.length > PUSHER_LIMITS.presenceUserIdLength || bytes > PUSHER_LIMITS.presenceUserBytes) {
    throw new PusherError('invalid_request', `The presence data of user ${user.id} has ${bytes} bytes`, {
      actual: bytes,
      allowed: PUSHER_LIMITS.presenceUserBytes,
    })
  }
  return member
}
