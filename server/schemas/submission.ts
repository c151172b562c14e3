import { z } from 'zod'
import { SUBMISSION_STATUSES } from '#server/entities/submission.ts'
import { Count, Id, Percent, prose, Stamp, text } from './values.ts'

export const AnswerValue = z.union([prose(10_000), z.number(), z.boolean(), z.array(text(1_000)).max(50)])

export const Answers = z.array(z.strictObject({ questionId: Id, answer: AnswerValue })).max(200)

/** `percent` and `passed` are null until a person has judged what cannot be graded automatically. */
export const SubmissionView = z.object({
  id: z.uuid(),
  assessmentId: z.uuid(),
  attemptNo: Count,
  attemptsLeft: Count,
  status: z.enum(SUBMISSION_STATUSES),
  score: Count,
  maxScore: Count,
  percent: Percent.nullable(),
  passed: z.boolean().nullable(),
  xpAwarded: Count,
  submittedAt: Stamp,
})
export type SubmissionView = z.infer<typeof SubmissionView>
