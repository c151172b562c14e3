import { randomUUID } from 'node:crypto'
import type { Optimizations } from '#optimizations/manager/optimizations.ts'
import type { ProgressStatus } from '#server/entities/lesson-progress.ts'
import type { Viewer } from './class-access.ts'
import { ServiceError } from './errors.ts'
import type { LessonReader, ProgressView } from './lessons.ts'

export interface ProgressReport {
  /** How far the student got, 0 to 100. */
  readonly percent: number
  /** All the time spent on the lesson so far, in seconds. */
  readonly timeSpentSec: number
}

export interface ProgressService {
  /**
   * Takes a student's report on a lesson and tells the class. Reports may arrive late or twice: percent and time only
   * ever grow, and what was completed stays completed.
   */
  report(viewer: Viewer, lessonId: string, report: ProgressReport, signal: AbortSignal): Promise<ProgressView>
}

interface ProgressRow {
  percent: number
  time_spent_sec: number
  status: ProgressStatus
  completed_at: Date | string | null
}

const UPSERT_PROGRESS = `
  insert into lesson_progress as mine (id, student_id, lesson_id, percent, time_spent_sec, status, last_accessed_at, completed_at)
  values (?, ?, ?, ?, ?, ?, now(), ?)
  on conflict (student_id, lesson_id) do update set
    percent = greatest(mine.percent, excluded.percent),
    time_spent_sec = greatest(mine.time_spent_sec, excluded.time_spent_sec),
    status = case when mine.status = 'completed' then mine.status else excluded.status end,
    completed_at = coalesce(mine.completed_at, excluded.completed_at),
    last_accessed_at = excluded.last_accessed_at
  returning percent, time_spent_sec, status, completed_at`

/** The channel that everybody in a class may subscribe to. */
const classChannel = (classId: string): string => `private-class-${classId}`

export function createProgressService(deps: {
  readonly optimizations: Pick<Optimizations, 'transaction'>
  readonly lessons: LessonReader
}): ProgressService {
  return {
    async report(viewer, lessonId, { percent, timeSpentSec }, signal) {
      if (viewer.role !== 'student') throw new ServiceError('forbidden', 'Only students report progress.')
      const lesson = await deps.lessons.visibleLesson(viewer, lessonId, signal)
      const completed = percent >= 100
      return deps.optimizations.transaction(async (unit) => {
        const row = await unit.em.execute<ProgressRow>(
          UPSERT_PROGRESS,
          [
            randomUUID(),
            viewer.id,
            lessonId,
            percent,
            timeSpentSec,
            completed ? 'completed' : 'in_progress',
            completed ? new Date() : null,
          ],
          'get',
        )
        const progress: ProgressView = {
          percent: row.percent,
          timeSpentSec: row.time_spent_sec,
          status: row.status,
          completedAt: row.completed_at === null ? null : new Date(row.completed_at).toISOString(),
        }
        await unit.publish(classChannel(lesson.classId), 'progress.updated', {
          lessonId,
          classId: lesson.classId,
          studentId: viewer.id,
          percent: progress.percent,
          status: progress.status,
          at: Date.now(),
        })
        return progress
      })
    },
  }
}
