import { Router } from 'express'
import { z } from 'zod'
import { principalOf } from '#server/http/access-token.ts'
import { contextOf } from '#server/http/request-context.ts'
import { parseBody, parseParams } from '#server/http/validate.ts'
import { refuseOtherMethods } from '#server/http/method-not-allowed.ts'
import type { LessonReader } from '#server/services/lessons.ts'
import type { ProgressService } from '#server/services/progress.ts'

const LessonParams = z.object({ id: z.uuid() })
const ProgressBody = z.strictObject({
  percent: z.number().min(0).max(100),
  timeSpentSec: z.number().int().min(0).max(2_147_483_647),
})

/** `/lessons`. Behind `authenticate`. */
export function lessonRoutes(deps: { readonly lessons: LessonReader; readonly progress: ProgressService }): Router {
  const router = Router()

  router.get('/', async (_request, response) => {
    const lessons = await deps.lessons.visibleLessons(principalOf(response), contextOf(response).signal)
    response.setHeader('cache-control', 'private, no-cache')
    response.json({ lessons })
  })

  router.get('/:id', async (request, response) => {
    const { id } = parseParams(LessonParams, request)
    const viewer = principalOf(response)
    const { signal } = contextOf(response)
    const [lesson, progress] = await Promise.all([
      deps.lessons.visibleLesson(viewer, id, signal),
      deps.lessons.progressOf(viewer, id, signal),
    ])
    response.setHeader('cache-control', 'private, no-cache')
    response.json({ ...lesson, progress })
  })

  router.put('/:id/progress', async (request, response) => {
    const { id } = parseParams(LessonParams, request)
    const report = parseBody(ProgressBody, request)
    const progress = await deps.progress.report(principalOf(response), id, report, contextOf(response).signal)
    response.json({ lessonId: id, ...progress })
  })

  refuseOtherMethods(router)
  return router
}
