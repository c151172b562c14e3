import { z } from 'zod'
import type { Cache } from '#optimizations/cache/cache.ts'
import type { ApiRouter } from '#server/http/api-router.ts'
import { defineOperation } from '#server/http/operation.ts'
import { HttpError } from '#server/http/problem.ts'
import type { Principal } from '#server/http/request-context.ts'

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

function mustBeAdmin({ role }: Principal): void {
  if (role !== 'admin') throw new HttpError(403, 'forbidden', 'This is for admins only.')
}

/** What only an admin may do. */
export function adminRoutes(api: ApiRouter, deps: { readonly cache: Pick<Cache, 'invalidateTags'> }): void {
  api.serve(invalidateTag, async ({ viewer, params: { tag } }) => {
    mustBeAdmin(viewer)
    const { acknowledged } = await deps.cache.invalidateTags([tag])
    // 202 (RFC 9110, 15.3.3): remembered, and done as soon as Redis answers.
    return { status: acknowledged ? 200 : 202, value: { tag, acknowledged } }
  })
}
