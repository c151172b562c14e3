import { z } from 'zod'
import { requireTokens, takeTokens } from '#optimizations/express/rate-limit/rate-limit.ts'
import type { ChannelAuthorizer } from '#optimizations/pusher/channel-authorization.ts'
import type { ChannelState } from '#optimizations/pusher/channel-state.ts'
import type { Publisher } from '#optimizations/pusher/publisher.ts'
import type { ApiRouter } from '#server/http/api-router.ts'
import { defineOperation } from '#server/http/operation.ts'
import { HttpError } from '#server/http/problem.ts'
import type { RateLimits } from '#server/http/rate-limit/rate-limits.ts'
import type { Viewer } from '#server/services/class-access.ts'
import type { TriggerService } from '#server/services/triggers.ts'
import type { EventReplayService } from '#server/services/event-replay.ts'
import { MAX_CHANNELS_PER_REQUEST, Position, ReplayEntry } from '#server/schemas/realtime.ts'
import { FreeForm } from '#server/schemas/values.ts'

// pusher-js sends a form unless told otherwise; both forms carry the same names.
const FORMS = ['application/x-www-form-urlencoded', 'application/json'] as const
const SocketId = z.string().regex(/^\d{1,20}\.\d{1,20}$/, 'is not a socket id')

/** Answers to many are told apart by name; no object that JSON makes can carry this one safely. */
const ChannelName = z.string().refine((name) => name !== '__proto__', 'is not a channel')

const hasChannels = (positions: object): boolean => {
  const { length } = Object.keys(positions)
  return length > 0 && length <= MAX_CHANNELS_PER_REQUEST
}

/** So many channels of a replay cost as much of the limit as one signature: a page asks twice when it joins a channel. */
const REPLAYED_PER_TOKEN = 4

const Signed = z.object({ auth: z.string(), channel_data: z.string().optional() })

const authorize = defineOperation({
  method: 'post',
  path: '/realtime/auth',
  summary: 'Sign the subscription to a private or presence channel as pusher-js asks for it, or to many in one request',
  accepts: FORMS,
  body: z.union([
    z.strictObject({ socket_id: SocketId, channel_name: ChannelName }),
    z.strictObject({ socket_id: SocketId, channel_names: z.array(ChannelName).min(1).max(MAX_CHANNELS_PER_REQUEST) }),
  ]),
  // As many names as there may be, at their longest and as a form.
  maxBodyBytes: 65_536,
  reply: z.union([
    Signed,
    z
      .record(
        z.string(),
        z.union([
          z.object({ status: z.literal(200), authorization: Signed }),
          z.object({ status: z.union([z.literal(400), z.literal(403), z.literal(500)]), error: z.string() }),
        ]),
      )
      .describe('For many channels: the answer to each, by name'),
  ]),
  problems: [403],
})

const authenticate = defineOperation({
  method: 'post',
  path: '/realtime/user-auth',
  summary: 'Sign in on the WebSocket, so that a connection ends when what it may hear does',
  accepts: FORMS,
  body: z.strictObject({ socket_id: SocketId }),
  maxBodyBytes: 1_024,
  reply: z.object({ auth: z.string(), user_data: z.string() }),
})

const replay = defineOperation({
  method: 'post',
  path: '/realtime/replay',
  summary:
    'What was told on up to a hundred channels after the last position that you saw; null asks for the present position',
  body: z.strictObject({
    positions: z
      .record(ChannelName, Position.nullable())
      .refine(hasChannels, `names no channel, or more than ${MAX_CHANNELS_PER_REQUEST}`),
  }),
  maxBodyBytes: 65_536,
  reply: z.record(z.string(), ReplayEntry).describe('The answer of each channel, by name'),
})

const trigger = defineOperation({
  method: 'post',
  path: '/realtime/trigger',
  summary: 'Send an event of your own to a channel that you may join',
  body: z.strictObject({
    channel: z.string().min(1).max(164),
    event: z.string().regex(/^[a-z]+\.[\w.-]{1,100}$/, 'is not an event'),
    data: FreeForm,
    socketId: SocketId.optional(),
  }),
  reply: z.object({ id: z.string() }),
  statuses: [202],
  problems: [403],
})

const deliveries = defineOperation({
  method: 'post',
  path: '/realtime/deliveries',
  summary:
    'Tell how long events took from their publication to your page, in milliseconds; of more than the limit the first are recorded',
  body: z.strictObject({ latenciesMs: z.array(z.number().min(0).max(600_000)).min(1).max(100) }),
  maxBodyBytes: 16_384,
  reply: z.object({ recorded: z.int().min(0) }),
  statuses: [202],
})

const webhook = defineOperation({
  method: 'post',
  path: '/realtime/webhook',
  summary: 'What Pusher tells of channels; signed by the app, not by a user',
  body: z.instanceof(Buffer),
  isRaw: true,
  reply: z.object({ received: z.literal(true) }),
  problems: [401],
})

export interface RealtimeDeps {
  readonly channels: ChannelAuthorizer<Viewer>
  readonly receiveWebhook: ChannelState['receiveWebhook']
  readonly recordDelivery: Publisher['recordDelivery']
  readonly triggers: TriggerService
  readonly replays: EventReplayService
  readonly limits: RateLimits
}

export function realtimeRoutes(api: ApiRouter, deps: RealtimeDeps): void {
  const { channels, receiveWebhook, recordDelivery, triggers, replays, limits } = deps
  api.serve(authorize, async ({ viewer, body, response }) => {
    if ('channel_name' in body) {
      await requireTokens(limits.channelsPerUser, { key: viewer.id, wanted: 1, response })
      return channels.authorize(viewer, body.socket_id, body.channel_name)
    }
    await requireTokens(limits.channelsPerUser, { key: viewer.id, wanted: body.channel_names.length, response })
    return channels.authorizeMany(viewer, body.socket_id, body.channel_names)
  })
  api.serve(authenticate, async ({ viewer, body, response }) => {
    await requireTokens(limits.channelsPerUser, { key: viewer.id, wanted: 1, response })
    return channels.authenticateUser(viewer, body.socket_id)
  })
  api.serve(replay, async ({ viewer, body: { positions }, response }) => {
    const wanted = Math.ceil(Object.keys(positions).length / REPLAYED_PER_TOKEN)
    await requireTokens(limits.channelsPerUser, { key: viewer.id, wanted, response })
    return replays.replay(viewer, positions)
  })
  api.serve(trigger, async ({ viewer, body, response }) => {
    await requireTokens(limits.triggersPerUser, { key: viewer.id, wanted: 1, response })
    return { id: await triggers.trigger(viewer, body) }
  })
  api.serve(deliveries, async ({ viewer, body: { latenciesMs }, response }) => {
    const tokens = { key: viewer.id, wanted: latenciesMs.length, response }
    const recorded = latenciesMs.slice(0, await takeTokens(limits.deliveriesPerUser, tokens))
    for (const latencyMs of recorded) recordDelivery(latencyMs)
    return { recorded: recorded.length }
  })
  api.serveOpen(webhook, async ({ body, request }) => {
    if (!(await receiveWebhook({ headers: request.headers, rawBody: body.toString() }))) {
      throw new HttpError(401, 'unauthenticated', 'The webhook is not signed by this app, or is too old.')
    }
    return { received: true as const }
  })
}
