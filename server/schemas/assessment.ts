import { z } from 'zod'
import { ASSESSMENT_KINDS, ASSESSMENT_STATUSES, QUESTION_TYPES } from '#server/entities/assessment.ts'
import { AnswerValue } from './submission.ts'
import { Count, Percent, Stamp, Version } from './values.ts'

const Question = z.object({
  id: z.uuid(),
  type: z.enum(QUESTION_TYPES),
  prompt: z.string(),
  options: z.array(z.string()),
  points: Count,
})

/** What students see: not the answers to the questions. */
export const StudentAssessmentView = z.object({
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
  questions: z.array(Question),
})

export const AssessmentView = StudentAssessmentView.extend({
  questions: z.array(Question.extend({ correctAnswer: AnswerValue.nullable().optional() })),
})
export type AssessmentView = z.infer<typeof AssessmentView>

export const AssessmentStatistics = z.object({
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
})
export type AssessmentStatistics = z.infer<typeof AssessmentStatistics>
