import { randomUUID } from 'node:crypto'
import { defineEntity, p } from '@mikro-orm/core'
import { Assessment, type AnswerValue } from './assessment.ts'
import { User } from './user.ts'

/** `submitted` waits for somebody who judges what cannot be graded automatically. */
export const SUBMISSION_STATUSES = ['submitted', 'graded'] as const

export interface SubmittedAnswer {
  readonly questionId: string
  readonly answer: AnswerValue
}

const SubmissionSchema = defineEntity({
  name: 'Submission',
  tableName: 'submissions',
  uniques: [{ properties: ['assessment', 'student', 'attemptNo'] }, { properties: ['student', 'idempotencyKey'] }],
  indexes: [{ properties: ['assessment', 'status'] }, { properties: ['submittedAt'] }],
  checks: [
    { name: 'submissions_attempt_no_check', expression: 'attempt_no > 0' },
    { name: 'submissions_percent_check', expression: 'percent::numeric >= 0 and percent::numeric <= 100' },
    { name: 'submissions_xp_awarded_check', expression: 'xp_awarded >= 0' },
  ],
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => randomUUID()),
    assessment: () => p.manyToOne(Assessment).ref().deleteRule('cascade'),
    student: () => p.manyToOne(User).ref().deleteRule('cascade'),
    attemptNo: p.integer(),
    answers: p.json<readonly SubmittedAnswer[]>(),
    /** The points of what is graded so far. */
    score: p.integer(),
    percent: p.float().columnType('double precision').nullable(),
    passed: p.boolean().nullable(),
    status: p.enum(SUBMISSION_STATUSES).default('submitted'),
    /** What this attempt earned: by how much it beat the student's best before. The sum is the score of the best. */
    xpAwarded: p.integer().default(0),
    /** The client's name for the request: the same key is the same submission. */
    idempotencyKey: p.string().length(64).nullable(),
    submittedAt: p.datetime(),
    gradedAt: p.datetime().nullable(),
    gradedBy: () => p.manyToOne(User).ref().nullable().deleteRule('set null'),
    feedback: p.text().nullable(),
  },
})

export class Submission extends SubmissionSchema.class {}
SubmissionSchema.setClass(Submission)
