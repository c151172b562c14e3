import { LockMode, type EntityData, type RequiredEntityData } from '@mikro-orm/core'
import { TTL_MS } from '#optimizations/cache/cache-defaults.ts'
import type { EntityManager } from '#optimizations/database/database.ts'
import { ContentItem, type ContentStatus } from '#server/entities/content-item.ts'
import {
  ContentPage,
  ContentView,
  type ContentChange,
  type ContentFields,
  type ContentFilter,
  type ContentSummary,
} from '#server/schemas/content.ts'
import { cacheTags } from './cache-tags.ts'
import { CONTENT_CHANNEL } from './channel-names.ts'
import { requireRole, type Viewer } from './class-access.ts'
import type { Encoded, ReplyEncoder } from './reply-encoder.ts'
import { notFound, ServiceError } from './errors.ts'
import { pageOf, parseCursor, type CursorValues } from './page.ts'
import type { Readings } from './readings.ts'
import { iso } from './stamps.ts'
import type { Optimizations, UnitOfWork } from './event-publishing.ts'

export interface ContentService {
  /** A page by title, with the number of all matches. Students see what is published, teachers their own too. */
  list(viewer: Viewer, filter: ContentFilter): Promise<Encoded<ContentPage>>
  details(viewer: Viewer, contentId: string): Promise<Encoded<ContentView>>
  create(viewer: Viewer, fields: ContentFields): Promise<ContentView>
  /** Throws `conflict` when the item has changed since the version that the change was made for. */
  change(viewer: Viewer, contentId: string, change: ContentChange): Promise<ContentView>
  /** What is published already stays as it is. Throws `conflict` for what was rejected or archived. */
  publish(viewer: Viewer, contentId: string): Promise<ContentView>
}

interface SharedContent extends Encoded<ContentView> {
  readonly creatorId: string
  readonly status: ContentStatus
}

const COLUMNS = `id, creator_id as "creatorId", title, content_type as "contentType", subject,
  grade_level as "gradeLevel", difficulty, status, view_count as "viewCount", published_at as "publishedAt", version`

/** Who sees everything, and whose drafts are seen beside what is published; the texts as the query compares them. */
type ContentSearch = {
  readonly seesAll: boolean
  readonly owner: string | null
  readonly search: string | null
  readonly subject: string | null
  readonly grade: number | null
  readonly status: ContentStatus | null
  readonly after: CursorValues | readonly [null, null]
  readonly limit: number
}

const ONE = 'content item'
const ONE_SQL = `select ${COLUMNS}, data from content_items where id = $1`

/** Who sees everything passes true; whoever else sees what is published, and what they made. */
const MATCHES = `($1::boolean or status = 'published' or creator_id = $2)
  and ($3::text is null or title ilike $3) and ($4::text is null or subject = $4)
  and ($5::int is null or grade_level = $5) and ($6::text is null or status = $6)`

const LIST = 'content'
const LIST_SQL = `select ${COLUMNS} from content_items where ${MATCHES}
  and ($7::text is null or (title, id) > ($7, $8::uuid)) order by title, id limit $9`

const COUNT = 'content count'
const COUNT_SQL = `select count(*)::int as total from content_items where ${MATCHES}`

const FOR_ADMINS: ReadonlySet<ContentStatus> = new Set(['approved', 'rejected'])

/** `%` and `_` of the search mean themselves. */
const contains = (search: string): string => `%${search.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`

/** The row as it is now, with moments that no JavaScript date holds. */
async function viewIn(em: EntityManager, contentId: string): Promise<ContentView> {
  const row = await em.execute<ContentView>(ONE_SQL.replace('$1', '?'), [contentId], 'get')
  return { ...row, publishedAt: iso(row.publishedAt) }
}

/** Tells that something changed, not what it says: whoever may see it fetches it. */
async function announce(unit: UnitOfWork, { id: contentId, status, version }: ContentView): Promise<void> {
  unit.invalidate(cacheTags.content, cacheTags.contentItem(contentId))
  await unit.publish(CONTENT_CHANNEL, 'content.updated', { contentId, status, version, at: Date.now() })
}

/** The item, locked until the commit. What the viewer may not change is as unknown to them as what they may not see. */
async function lockOwn({ em }: UnitOfWork, viewer: Viewer, contentId: string) {
  const item = await em.findOne(ContentItem, contentId, {
    lockMode: LockMode.PESSIMISTIC_WRITE,
    // PostgreSQL has moments that no Date holds, and nothing here asks for them.
    exclude: ['createdAt', 'updatedAt', 'publishedAt'],
  })
  if (item === null || (viewer.role !== 'admin' && item.creator.id !== viewer.id)) throw notFound('content')
  return item
}

export function createContentService(
  optimizations: Pick<Optimizations, 'database' | 'transaction'>,
  { readings, replies }: { readonly readings: Readings; readonly replies: ReplyEncoder },
): ContentService {
  const { statements } = optimizations.database
  statements.register(ONE, ONE_SQL)
  statements.register(LIST, LIST_SQL)
  statements.register(COUNT, COUNT_SQL)

  const one = readings.declare({
    name: 'content',
    ttlMs: TTL_MS.medium,
    tags: (contentId) => [cacheTags.contentItem(contentId)],
    load: async (contentId: string): Promise<SharedContent | null> => {
      const [row] = await statements.execute<ContentView>(ONE, [contentId])
      if (row === undefined) return null
      const encoded = replies.encode(ContentView, { ...row, publishedAt: iso(row.publishedAt) })
      return { ...encoded, creatorId: row.creatorId, status: row.status }
    },
  })

  const found = readings.declare({
    name: 'content-list',
    ttlMs: TTL_MS.standard,
    tags: () => [cacheTags.content],
    load: async ({ seesAll, owner, search, subject, grade, status, after, limit }: ContentSearch) => {
      const filter = [seesAll, owner, search === null ? null : contains(search), subject, grade, status]
      const [rows, [count]] = await Promise.all([
        statements.execute<ContentSummary>(LIST, [...filter, ...after, limit + 1]),
        statements.execute<{ total: number }>(COUNT, filter),
      ])
      const views = rows.map((row) => ({ ...row, publishedAt: iso(row.publishedAt) }))
      const page = pageOf(views, limit, ({ title, id }) => [title, id])
      return replies.encode(ContentPage, { ...page, total: count?.total ?? 0 })
    },
  })

  return {
    async list(viewer, { search, subject, grade, status, cursor, limit }) {
      requireRole(viewer, 'admin', 'teacher', 'student')
      return found({
        seesAll: viewer.role === 'admin',
        // Students share what they see, admins too; what a teacher sees is partly their own.
        owner: viewer.role === 'teacher' ? viewer.id : null,
        search: search ?? null,
        subject: subject ?? null,
        grade: grade ?? null,
        status: status ?? null,
        after: parseCursor(cursor, 'text'),
        limit,
      })
    },

    async details(viewer, contentId) {
      requireRole(viewer, 'admin', 'teacher', 'student')
      const item = await one(contentId)
      const mayRead =
        item !== null && (viewer.role === 'admin' || item.status === 'published' || item.creatorId === viewer.id)
      if (!mayRead) throw notFound('content')
      return item
    },

    async create(viewer, fields) {
      requireRole(viewer, 'admin', 'teacher')
      return optimizations.transaction(async (unit) => {
        const item = unit.em.create(ContentItem, { ...fields, creator: viewer.id } as RequiredEntityData<ContentItem>)
        await unit.em.flush()
        const view = await viewIn(unit.em, item.id)
        await announce(unit, view)
        return view
      })
    },

    async change(viewer, contentId, { version, ...fields }) {
      requireRole(viewer, 'admin', 'teacher')
      return optimizations.transaction(async (unit) => {
        const item = await lockOwn(unit, viewer, contentId)
        if (item.version !== version) {
          throw new ServiceError('conflict', `The content has changed: its version is ${item.version}.`)
        }
        if (fields.status !== undefined && FOR_ADMINS.has(fields.status) && viewer.role !== 'admin') {
          throw new ServiceError('forbidden', 'Only an admin approves and rejects.')
        }
        unit.em.assign(item, fields as EntityData<ContentItem>)
        await unit.em.flush()
        const view = await viewIn(unit.em, item.id)
        await announce(unit, view)
        return view
      })
    },

    async publish(viewer, contentId) {
      requireRole(viewer, 'admin', 'teacher')
      return optimizations.transaction(async (unit) => {
        const item = await lockOwn(unit, viewer, contentId)
        if (item.status === 'published') return viewIn(unit.em, contentId)
        if (item.status === 'rejected' || item.status === 'archived') {
          throw new ServiceError('conflict', `What was ${item.status} is not published.`)
        }
        unit.em.assign(item, { status: 'published', publishedAt: new Date() })
        await unit.em.flush()
        const view = await viewIn(unit.em, item.id)
        await announce(unit, view)
        return view
      })
    },
  }
}
