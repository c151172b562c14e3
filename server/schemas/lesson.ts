import { z } from 'zod'
import { PROGRESS_STATUSES } from '#server/entities/lesson-progress.ts'
import { DIFFICULTIES } from '#server/entities/lesson.ts'
import { Count, Percent, Stamp, Version } from './values.ts'

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

/** What all who may see a lesson see of it. */
export const SharedLessonView = z.object({
  id: z.uuid(),
  classId: z.uuid(),
  title: z.string(),
  description: z.string(),
  orderIndex: z.int(),
  contentType: z.string(),
  difficulty: z.enum(DIFFICULTIES),
  estimatedMinutes: z.int(),
  contentData: z.object({ sections: z.array(z.object({ heading: z.string(), text: z.string() })) }),
  isPublished: z.boolean(),
  publishedAt: Stamp.nullable(),
  version: Version,
})
export type SharedLessonView = z.infer<typeof SharedLessonView>

/** null before the first report, and for everybody but students. */
export const OwnProgress = ProgressView.nullable()

export const LessonView = SharedLessonView.extend({ progress: OwnProgress })
export type LessonView = z.infer<typeof LessonView>

export const LessonStatistics = z.object({
  lessonId: z.uuid(),
  students: Count,
  started: Count,
  completed: Count,
  averagePercent: Percent.nullable(),
  medianPercent: Percent.nullable(),
  averageTimeSec: z.number().nullable(),
})
export type LessonStatistics = z.infer<typeof LessonStatistics>

/** How far the student got, and all the time spent on the lesson so far. */
export const ProgressReport = z.strictObject({ percent: Percent, timeSpentSec: Count })
export type ProgressReport = z.infer<typeof ProgressReport>
