import { z } from 'zod'
import type { Cache } from '#optimizations/cache/cache.ts'
import type { WarmReport } from '#optimizations/manager/warm.ts'
import type { ApiRouter } from '#server/http/api-router.ts'
import { defineOperation } from '#server/http/operation.ts'
import { mustBeAdmin } from '#server/http/must-be-admin.ts'
import { Count, Stamp } from '#server/schemas/values.ts'

// Whatever a tag may be called in this application: a kind, ids, and colons between them.
const TagParams = z.object({ tag: z.string().regex(/^[\w:.-]{1,200}$/, 'is not a tag') })

const invalidateTag = defineOperation({
  method: 'delete',
  path: '/admin/cache/tags/:tag',
  summary: 'End every cached value that was made from what the tag names; 202 while the cache cannot be reached',
  params: TagParams,
  reply: z.object({ tag: z.string(), acknowledged: z.boolean() }),
  statuses: [200, 202],
  problems: [403],
})

const Timed = z.object({ durationMs: z.number() })
const WarmedItem = Timed.extend({
  name: z.string(),
  status: z.enum(['warmed', 'failed', 'skipped']),
  error: z.string().nullable(),
  attempts: Count,
})

const warm = defineOperation({
  method: 'post',
  path: '/admin/cache/warm',
  summary: 'Read what is asked for most into the cache now, and tell of each item what became of it',
  reply: Timed.extend({
    status: z.enum(['completed', 'partial', 'failed', 'skipped']),
    reason: z.string().nullable(),
    successfulWarmups: Count,
    totalWarmups: Count,
    groups: z.array(z.object({ name: z.string(), error: z.string().nullable(), items: z.array(WarmedItem) })),
    timestamp: Stamp,
  }),
  problems: [403],
})

/** What only an admin may do. */
export function adminRoutes(
  api: ApiRouter,
  deps: { readonly cache: Pick<Cache, 'invalidateTags'>; readonly warm: () => Promise<WarmReport> },
): void {
  api.serve(warm, async ({ viewer }) => {
    mustBeAdmin(viewer)
    const { groups, ...report } = await deps.warm()
    return { ...report, groups: groups.map(({ items, ...group }) => ({ ...group, items: [...items] })) }
  })
  api.serve(invalidateTag, async ({ viewer, params: { tag }, response }) => {
    mustBeAdmin(viewer)
    const { acknowledged } = await deps.cache.invalidateTags([tag])
    // 202 (RFC 9110, 15.3.3): remembered, and done as soon as Redis answers.
    if (!acknowledged) response.status(202)
    return { tag, acknowledged }
  })
}
