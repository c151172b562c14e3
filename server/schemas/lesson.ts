import { z } from 'zod'
import { PROGRESS_STATUSES } from '#server/entities/lesson-progress.ts'
import { Count, Percent, Stamp } from './values.ts'

/** A line of the list of lessons. */
export const LessonSummary = z.object({ id: z.uuid(), classId: z.uuid(), className: z.string(), title: z.string() })
export type LessonSummary = z.infer<typeof LessonSummary>

export const ProgressView = z.object({
  percent: Percent,
  timeSpentSec: Count,
  status: z.enum(PROGRESS_STATUSES),
  completedAt: Stamp.nullable(),
})
export type ProgressView = z.infer<typeof ProgressView>

/** How far the student got, and all the time spent on the lesson so far. */
export const ProgressReport = z.strictObject({ percent: Percent, timeSpentSec: Count })
export type ProgressReport = z.infer<typeof ProgressReport>
