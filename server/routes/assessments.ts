import { z } from 'zod'
import { ASSESSMENT_KINDS, ASSESSMENT_STATUSES, QUESTION_TYPES } from '#server/entities/assessment.ts'
import type { ApiRouter } from '#server/http/api-router.ts'
import { defineOperation } from '#server/http/operation.ts'
import { parseHeaders } from '#server/http/validate.ts'
import type { AssessmentReader } from '#server/services/assessments.ts'
import type { SubmissionService } from '#server/services/submissions.ts'
import { Answers, AnswerValue, SubmissionView } from '#server/schemas/submission.ts'
import { Count, IdParams, Percent, Stamp, Version } from '#server/schemas/values.ts'

const details = defineOperation({
  method: 'get',
  path: '/assessments/:id',
  summary: 'An assessment with its questions; with their answers too, unless you are a student',
  params: IdParams,
  reply: z.object({
    id: z.uuid(),
    classId: z.uuid(),
    lessonId: z.uuid().nullable(),
    title: z.string(),
    kind: z.enum(ASSESSMENT_KINDS),
    maxScore: Count,
    passingScore: Percent,
    maxAttempts: Count,
    timeLimitSec: Count.nullable(),
    dueAt: Stamp.nullable(),
    status: z.enum(ASSESSMENT_STATUSES),
    version: Version,
    questions: z.array(
      z.object({
        id: z.uuid(),
        type: z.enum(QUESTION_TYPES),
        prompt: z.string(),
        options: z.array(z.string()),
        points: Count,
        correctAnswer: AnswerValue.nullable().optional(),
      }),
    ),
  }),
  problems: [404],
})

const statistics = defineOperation({
  method: 'get',
  path: '/assessments/:id/statistics',
  summary: 'How the students did in an assessment',
  params: IdParams,
  reply: z.object({
    assessmentId: z.uuid(),
    submissions: Count,
    students: Count,
    graded: Count,
    passed: Count,
    averagePercent: Percent.nullable(),
    percentiles: z.object({
      p25: Percent.nullable(),
      median: Percent.nullable(),
      p75: Percent.nullable(),
      p90: Percent.nullable(),
    }),
    histogram: z.array(Count).length(10).describe('Graded submissions by tenths of the per cent reached'),
  }),
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
