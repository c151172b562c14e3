import { Router } from 'express'
import { z } from 'zod'
import type { Cache } from '#optimizations/cache/cache.ts'
import { refuseOtherMethods } from '#server/http/method-not-allowed.ts'
import { requireRole } from '#server/http/require-role.ts'
import { parseParams } from '#server/http/validate.ts'

// Whatever a tag may be called in this application: a kind, ids, and colons between them.
const TagParams = z.object({ tag: z.string().regex(/^[\w:.-]{1,200}$/, 'is not a tag') })

/** `/admin`. Behind `authenticate`; for admins only. */
export function adminRoutes(deps: { readonly cache: Pick<Cache, 'invalidateTags'> }): Router {
  const router = Router()
  router.use(requireRole('admin'))

  router.delete('/cache/tags/:tag', async (request, response) => {
    const { tag } = parseParams(TagParams, request)
    const { acknowledged } = await deps.cache.invalidateTags([tag])
    // 202 (RFC 9110, 15.3.3): remembered, and done as soon as Redis answers.
    response.status(acknowledged ? 200 : 202).json({ tag, acknowledged })
  })

  refuseOtherMethods(router)
  return router
}
