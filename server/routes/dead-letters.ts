import { z } from 'zod'
import type { OutboxDeadLetters } from '#optimizations/database/outbox-dead-letters.ts'
import { mustBeAdmin } from '#server/http/must-be-admin.ts'
import type { ApiRouter } from '#server/http/api-router.ts'
import { defineOperation } from '#server/http/operation.ts'
import { HttpError } from '#server/http/problem.ts'
import { Count, page, PageQuery, Stamp } from '#server/schemas/values.ts'

/** Of the outbox: a positive bigint, of which 18 digits are more than will ever be. */
const EventId = z.string().regex(/^[1-9]\d{0,17}$/, 'is not the id of an event')

const list = defineOperation({
  method: 'get',
  path: '/admin/dead-letters',
  summary: 'Events that were set aside because Pusher refuses them, the newest first; without their data',
  query: z.strictObject({ ...PageQuery, cursor: EventId.optional() }),
  reply: page(
    z.object({
      id: EventId,
      channel: z.string(),
      event: z.string(),
      reason: z.string(),
      createdAt: Stamp,
      deadAt: Stamp,
    }),
  ),
  isVolatile: true,
  problems: [403],
})

const requeue = defineOperation({
  method: 'post',
  path: '/admin/dead-letters/requeue',
  summary: 'Put up to a hundred events that were set aside back into the outbox, or all; they are sent at once',
  body: z.union([z.strictObject({ ids: z.array(EventId).min(1).max(100) }), z.strictObject({ all: z.literal(true) })]),
  maxBodyBytes: 16_384,
  reply: z.object({ requeued: Count }),
  problems: [403],
})

const discard = defineOperation({
  method: 'delete',
  path: '/admin/dead-letters/:id',
  summary: 'Remove an event that was set aside for good, instead of seven days after',
  params: z.object({ id: EventId }),
  reply: z.object({ id: EventId }),
  problems: [403, 404],
})

/** What an admin may do about events that could not be delivered. */
export function deadLetterRoutes(api: ApiRouter, deadLetters: OutboxDeadLetters): void {
  api.serve(list, async ({ viewer, query: { limit, cursor } }) => {
    mustBeAdmin(viewer)
    const found = await deadLetters.list({ limit: limit + 1, beforeId: cursor })
    const items = found.slice(0, limit).map(({ createdAt, deadAt, ...letter }) => ({
      ...letter,
      createdAt: createdAt.toISOString(),
      deadAt: deadAt.toISOString(),
    }))
    return { items, nextCursor: found.length > limit ? (items.at(-1)?.id ?? null) : null }
  })
  api.serve(requeue, async ({ viewer, body }) => {
    mustBeAdmin(viewer)
    return { requeued: await deadLetters.requeue('ids' in body ? body.ids : 'all') }
  })
  api.serve(discard, async ({ viewer, params: { id } }) => {
    mustBeAdmin(viewer)
    if (!(await deadLetters.discard(id))) throw new HttpError(404, 'not_found', 'No event of this id was set aside.')
    return { id }
  })
}
