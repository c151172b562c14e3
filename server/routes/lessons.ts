import { z } from 'zod'
import type { ApiRouter } from '#server/http/api-router.ts'
import { defineOperation } from '#server/http/operation.ts'
import type { LessonReader } from '#server/services/lessons.ts'
import type { ProgressService } from '#server/services/progress.ts'
import { LessonStatistics, LessonSummary, LessonView, ProgressReport, ProgressView } from '#server/schemas/lesson.ts'
import { IdParams } from '#server/schemas/values.ts'

const list = defineOperation({
  method: 'get',
  path: '/lessons',
  summary: 'The first hundred lessons that you may see, by class and order',
  reply: z.object({ lessons: z.array(LessonSummary) }),
  problems: [403],
})

const details = defineOperation({
  method: 'get',
  path: '/lessons/:id',
  summary: 'A lesson, with your own progress in it',
  params: IdParams,
  reply: LessonView,
  problems: [404],
})

const statistics = defineOperation({
  method: 'get',
  path: '/lessons/:id/statistics',
  summary: 'How the students of the class do in a lesson',
  params: IdParams,
  reply: LessonStatistics,
  problems: [403, 404],
})

const report = defineOperation({
  method: 'put',
  path: '/lessons/:id/progress',
  summary: 'Report how far you got; what was reached before stays reached',
  params: IdParams,
  body: ProgressReport,
  reply: ProgressView.extend({ lessonId: z.uuid() }),
  problems: [403, 404],
})

export function lessonRoutes(
  api: ApiRouter,
  deps: { readonly lessons: LessonReader; readonly progress: ProgressService },
): void {
  api.serve(list, async ({ viewer }) => ({
    lessons: [...(await deps.lessons.visibleLessons(viewer))],
  }))
  api.serveEncoded(details, ({ viewer, params }) => deps.lessons.lessonWithProgress(viewer, params.id))
  api.serveEncoded(statistics, ({ viewer, params }) => deps.lessons.statistics(viewer, params.id))
  api.serve(report, async ({ viewer, params: { id }, body }) => ({
    lessonId: id,
    ...(await deps.progress.report(viewer, id, body)),
  }))
}
