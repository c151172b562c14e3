import { z } from 'zod'
import type { ApiRouter } from '#server/http/api-router.ts'
import { defineOperation } from '#server/http/operation.ts'
import type { NotificationService } from '#server/services/notifications.ts'
import { NotificationView } from '#server/schemas/notification.ts'
import { Count, Id, page, PageQuery } from '#server/schemas/values.ts'

const list = defineOperation({
  method: 'get',
  path: '/notifications',
  summary: 'Your notifications, the newest first, and how many of all are unread',
  query: z.strictObject(PageQuery),
  reply: page(NotificationView).extend({ unread: Count }),
})

const markRead = defineOperation({
  method: 'patch',
  path: '/notifications',
  summary: 'Mark up to a hundred of your notifications as read, or all',
  body: z.union([z.strictObject({ ids: z.array(Id).min(1).max(100) }), z.strictObject({ all: z.literal(true) })]),
  maxBodyBytes: 16_384,
  reply: z.object({ marked: Count }),
})

export function notificationRoutes(api: ApiRouter, deps: { readonly notifications: NotificationService }): void {
  api.serve(list, ({ viewer, query }) => deps.notifications.list(viewer, query))
  api.serve(markRead, ({ viewer, body }) => deps.notifications.markRead(viewer, 'ids' in body ? body.ids : 'all'))
}
