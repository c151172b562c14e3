import { z } from 'zod'
import type { ApiRouter } from '#server/http/api-router.ts'
import { defineOperation } from '#server/http/operation.ts'
import { parseHeaders } from '#server/http/validate.ts'
import type { AssessmentReader } from '#server/services/assessments.ts'
import type { SubmissionService } from '#server/services/submissions.ts'
import { AssessmentStatistics, AssessmentView } from '#server/schemas/assessment.ts'
import { Answers, SubmissionView } from '#server/schemas/submission.ts'
import { IdParams } from '#server/schemas/values.ts'

const details = defineOperation({
  method: 'get',
  path: '/assessments/:id',
  summary: 'An assessment with its questions; with their answers too, unless you are a student',
  params: IdParams,
  reply: AssessmentView,
  problems: [404],
})

const statistics = defineOperation({
  method: 'get',
  path: '/assessments/:id/statistics',
  summary: 'How the students did in an assessment',
  params: IdParams,
  reply: AssessmentStatistics,
  problems: [403, 404],
})

const SubmissionHeaders = z.object({
  'idempotency-key': z
    .string()
    .regex(/^[\w.:-]{1,64}$/, 'is not a key')
    .optional(),
})

const submit = defineOperation({
  method: 'post',
  path: '/assessments/:id/submissions',
  summary: 'Hand in an attempt; with an Idempotency-Key as often as it takes until you know that it arrived',
  params: IdParams,
  headers: SubmissionHeaders,
  body: z.strictObject({ answers: Answers }),
  reply: SubmissionView,
  statuses: [201, 200],
  problems: [403, 404, 409, 422],
})

export function assessmentRoutes(
  api: ApiRouter,
  deps: { readonly assessments: AssessmentReader; readonly submissions: SubmissionService },
): void {
  api.serveEncoded(details, ({ viewer, params }) => deps.assessments.details(viewer, params.id))
  api.serveEncoded(statistics, ({ viewer, params }) => deps.assessments.statistics(viewer, params.id))
  api.serve(submit, async ({ viewer, params, body, request, response }) => {
    const { 'idempotency-key': idempotencyKey } = parseHeaders(SubmissionHeaders, request)
    const submission = { answers: body.answers, idempotencyKey }
    const { view, isReplay } = await deps.submissions.submit(viewer, params.id, submission)
    if (isReplay) response.status(200)
    return view
  })
}
