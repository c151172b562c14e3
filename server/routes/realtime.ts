import express, { Router } from 'express'
import { z } from 'zod'
import type { ChannelAuthorizer } from '#optimizations/pusher/channel-authorization.ts'
import { principalOf } from '#server/http/access-token.ts'
import { refuseOtherMethods } from '#server/http/method-not-allowed.ts'
import { parseBody } from '#server/http/validate.ts'
import type { Viewer } from '#server/services/class-access.ts'

// pusher-js sends a form unless told otherwise; both forms carry the same two names.
const FORMS = ['application/x-www-form-urlencoded', 'application/json'] as const
const AuthBody = z.strictObject({ socket_id: z.string(), channel_name: z.string() })

/** `/realtime`. Behind `authenticate`. */
export function realtimeRoutes(deps: { readonly channels: ChannelAuthorizer<Viewer> }): Router {
  const router = Router()
  router.post('/auth', express.urlencoded({ extended: false, limit: 4_096 }), async (request, response) => {
    const { socket_id: socketId, channel_name: channel } = parseBody(AuthBody, request, FORMS)
    const signed = await deps.channels.authorize(principalOf(response), socketId, channel)
    response.setHeader('cache-control', 'no-store')
    response.json(signed)
  })
  refuseOtherMethods(router)
  return router
}
