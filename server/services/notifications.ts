import { randomUUID } from 'node:crypto'
import { TTL_MS } from '#optimizations/cache/cache-defaults.ts'
import type { EventData } from '#server/schemas/events.ts'
import type { NotificationView } from '#server/schemas/notification.ts'
import { cacheTags } from './cache-tags.ts'
import { userChannel } from './channel-names.ts'
import type { Viewer } from './class-access.ts'
import { pageOf, parseCursor, type Page, type PageRequest } from './page.ts'
import type { Readings } from './readings.ts'
import { iso } from './stamps.ts'
import type { Optimizations, UnitOfWork } from './event-publishing.ts'

/** It is told in an event too, which says nothing more. */
export type NewNotification = Pick<EventData<'notification.new'>, 'title' | 'message' | 'kind' | 'data'>

export interface NotificationService {
  /** One's own, the newest first, with the number of those that are not read. */
  list(viewer: Viewer, request: PageRequest): Promise<Page<NotificationView> & { unread: number }>
  /** Marks these, or all, as read. Those of others are left alone, as if they were not there. */
  markRead(viewer: Viewer, ids: readonly string[] | 'all'): Promise<{ marked: number }>
}

/** With all microseconds, and in one form whatever the DateStyle of the session; infinity has none but its name. */
const POSITION = `
    case when not isfinite(created_at) then created_at::text
      when extract(year from created_at at time zone 'UTC') < 0
        then to_char(created_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US BC')
      else to_char(created_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') end`

const LIST = 'notifications'
const LIST_SQL = `
  select id, title, message, kind, data, read_at as "readAt", created_at as "createdAt",
    ${POSITION} as position
  from notifications
  where user_id = $1 and ($2::timestamp is null or (created_at, id) < ($2::timestamp at time zone 'UTC', $3::uuid))
  order by created_at desc, id desc limit $4`

const UNREAD = 'unread notifications'
const UNREAD_SQL = 'select count(*)::int as unread from notifications where user_id = $1 and read_at is null'

const INSERT_SQL = `
  insert into notifications (id, user_id, title, message, kind, data, created_at)
  select id, user_id, ?, ?, ?, ?::jsonb, ? from unnest(?::uuid[], ?::uuid[]) as new (id, user_id)`

/** An array parameter in PostgreSQL's own text form. Only for ids: they need no quoting. */
export const uuidArray = (ids: readonly string[]): string => `{${ids.join(',')}}`

/** Writes the same notification to each user. Answers what tells them so: to be called last, because it publishes. */
export async function notify(
  unit: UnitOfWork,
  userIds: readonly string[],
  notification: NewNotification,
): Promise<() => Promise<void>> {
  const createdAt = new Date()
  const added = userIds.map((userId) => ({ id: randomUUID(), userId }))
  const { title, message, kind, data } = notification
  const ids = [uuidArray(added.map(({ id }) => id)), uuidArray(userIds)]
  await unit.em.execute(INSERT_SQL, [title, message, kind, JSON.stringify(data), createdAt, ...ids])
  unit.invalidate(...userIds.map(cacheTags.notifications))
  return async () => {
    for (const { id, userId } of added) {
      const event = { id, ...notification, createdAt: createdAt.toISOString() }
      await unit.publish(userChannel(userId), 'notification.new', event)
    }
  }
}

export function createNotificationService(
  optimizations: Pick<Optimizations, 'database' | 'transaction'>,
  { readings }: { readonly readings: Readings },
): NotificationService {
  const { database } = optimizations
  database.statements.register(LIST, LIST_SQL)
  database.statements.register(UNREAD, UNREAD_SQL)

  const unreadOf = readings.declare({
    name: 'unread',
    ttlMs: TTL_MS.short,
    tags: (userId) => [cacheTags.notifications(userId)],
    load: async (userId: string) => {
      const [row] = await database.statements.execute<{ unread: number }>(UNREAD, [userId])
      return row?.unread ?? 0
    },
  })

  return {
    async list(viewer, { cursor, limit }) {
      const values = [viewer.id, ...parseCursor(cursor, 'stamp'), limit + 1]
      const [rows, unread] = await Promise.all([
        database.statements.execute<NotificationView & { readonly position: string }>(LIST, values),
        unreadOf(viewer.id),
      ])
      const { items, nextCursor } = pageOf(rows, limit, ({ position, id }) => [position, id])
      const views = items.map(({ position: _sortedBy, ...row }) => ({
        ...row,
        readAt: iso(row.readAt),
        createdAt: iso(row.createdAt),
      }))
      return { items: views, nextCursor, unread }
    },

    async markRead(viewer, ids) {
      return optimizations.transaction(async (unit) => {
        const which = ids === 'all' ? null : uuidArray(ids)
        const rows = await unit.em.execute(
          `update notifications set read_at = ?
             where user_id = ? and read_at is null and (?::uuid[] is null or id = any(?::uuid[])) returning id`,
          [new Date(), viewer.id, which, which],
        )
        unit.invalidate(cacheTags.notifications(viewer.id))
        return { marked: rows.length }
      })
    },
  }
}
