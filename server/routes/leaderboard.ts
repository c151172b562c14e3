import { z } from 'zod'
import type { ApiRouter } from '#server/http/api-router.ts'
import { defineOperation } from '#server/http/operation.ts'
import { PERIODS } from '#server/services/leaderboard/board.ts'
import type { Leaderboard } from '#server/services/leaderboard/leaderboard.ts'
import { Count, Id } from '#server/schemas/values.ts'

const view = defineOperation({
  method: 'get',
  path: '/leaderboard',
  summary: 'The ranking of a class; without a class that of the school, which is for teachers and admins',
  query: z.strictObject({ classId: Id.optional(), period: z.enum(PERIODS).default('all') }),
  reply: z.object({
    classId: z.uuid().nullable(),
    period: z.enum(PERIODS),
    standings: z.array(z.object({ rank: Count, userId: z.uuid(), displayName: z.string(), score: Count })),
    own: z.object({ rank: Count, score: Count }).nullable(),
  }),
  problems: [403, 404],
})

export function leaderboardRoutes(api: ApiRouter, deps: { readonly leaderboard: Leaderboard }): void {
  api.serve(view, ({ viewer, query: { classId = null, period } }) => deps.leaderboard.view(viewer, { classId, period }))
}
