import { z } from 'zod'
import { CONTENT_STATUSES } from '#server/entities/content-item.ts'
import { PROGRESS_STATUSES } from '#server/entities/lesson-progress.ts'
import { NotificationView } from './notification.ts'
import { Count, Percent, Version } from './values.ts'

/** When it happened, in milliseconds since the epoch. */
export const At = z.int().min(0)

const Score = z.object({
  submissionId: z.uuid(),
  assessmentId: z.uuid(),
  classId: z.uuid(),
  title: z.string(),
  attemptNo: Count,
  score: Count,
  maxScore: Count,
  percent: Percent.nullable(),
  passed: z.boolean().nullable(),
  at: At,
})

/** Everything that the server tells by itself: an event that is not here cannot be sent, nor a member that is not here. */
export const EVENTS = {
  'class.updated': z.object({ classId: z.uuid(), name: z.string(), version: Version, at: At }),
  'content.updated': z.object({ contentId: z.uuid(), status: z.enum(CONTENT_STATUSES), version: Version, at: At }),
  'enrollment.created': z.object({ classId: z.uuid(), studentId: z.uuid(), name: z.string(), at: At }),
  'enrollment.dropped': z.object({ classId: z.uuid(), studentId: z.uuid(), at: At }),
  'leaderboard.updated': z.object({
    classId: z.uuid(),
    top: z.array(z.object({ userId: z.uuid(), displayName: z.string(), score: z.number(), rank: Count })),
    at: At,
  }),
  'lesson.completed': z.object({ lessonId: z.uuid(), classId: z.uuid(), at: At }),
  'notification.new': NotificationView.pick({
    id: true,
    title: true,
    message: true,
    kind: true,
    createdAt: true,
  }).extend({ data: z.object({ classId: z.uuid() }) }),
  'progress.updated': z.object({
    lessonId: z.uuid(),
    classId: z.uuid(),
    studentId: z.uuid(),
    percent: Percent,
    status: z.enum(PROGRESS_STATUSES),
    at: At,
  }),
  'quiz.result': Score.extend({ xpAwarded: Count }),
  'quiz.submitted': Score.extend({ studentId: z.uuid() }),
} as const

export type EventName = keyof typeof EVENTS
export type EventData<Name extends EventName> = z.infer<(typeof EVENTS)[Name]>

/** What people send one another: whose word it is stands in the envelope, where its sender has no say. */
export const PeoplesEvent = z.object({ from: z.uuid(), data: z.record(z.string(), z.unknown()) })
export type PeoplesEvent = z.infer<typeof PeoplesEvent>
