import { z } from 'zod'
import type { ChannelAuthorizer } from '#optimizations/pusher/channel-authorization.ts'
import type { ApiRouter } from '#server/http/api-router.ts'
import { defineOperation } from '#server/http/operation.ts'
import type { Viewer } from '#server/services/class-access.ts'

const authorize = defineOperation({
  method: 'post',
  path: '/realtime/auth',
  summary: 'Sign the subscription to a private channel, as pusher-js asks for it',
  // pusher-js sends a form unless told otherwise; both forms carry the same two names.
  accepts: ['application/x-www-form-urlencoded', 'application/json'],
  body: z.strictObject({ socket_id: z.string(), channel_name: z.string() }),
  reply: z.object({ auth: z.string(), channel_data: z.string().optional() }),
  problems: [403],
})

export function realtimeRoutes(api: ApiRouter, deps: { readonly channels: ChannelAuthorizer<Viewer> }): void {
  api.serve(authorize, async ({ viewer, body }) => ({
    value: await deps.channels.authorize(viewer, body.socket_id, body.channel_name),
  }))
}
