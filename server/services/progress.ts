import { randomUUID } from 'node:crypto'
import type { ProgressStatus } from '#server/entities/lesson-progress.ts'
import type { ProgressReport, ProgressView } from '#server/schemas/lesson.ts'
import { requireRole, type Viewer } from './class-access.ts'
import { cacheTags } from './cache-tags.ts'
import { classChannel, userChannel } from './channel-names.ts'
import type { LessonReader } from './lessons.ts'
import { iso } from './stamps.ts'
import type { Optimizations, UnitOfWork } from './event-publishing.ts'

export interface ProgressService {
  /**
   * Takes a student's report on a lesson and tells the class. Reports may arrive late or twice: percent and time only
   * ever grow, and what was completed stays completed.
   */
  report(viewer: Viewer, lessonId: string, report: ProgressReport): Promise<ProgressView>
}

interface ProgressRow {
  percent: number
  time_spent_sec: number
  status: ProgressStatus
  completed_at: string | null
}

const UPSERT_PROGRESS = `
  insert into lesson_progress as mine (id, student_id, lesson_id, percent, time_spent_sec, status, last_accessed_at)
  values (?, ?, ?, ?, ?, 'in_progress', now())
  on conflict (student_id, lesson_id) do update set
    percent = greatest(mine.percent, excluded.percent),
    time_spent_sec = greatest(mine.time_spent_sec, excluded.time_spent_sec),
    last_accessed_at = excluded.last_accessed_at
  returning percent, time_spent_sec, status, completed_at`

/** Behind the lock that the upsert took: of many reports that the end is reached, one completes the lesson. */
const COMPLETE_PROGRESS = `
  update lesson_progress set status = 'completed', completed_at = now()
  where student_id = ? and lesson_id = ? and status <> 'completed'
  returning percent, time_spent_sec, status, completed_at`

export function createProgressService(deps: {
  readonly optimizations: Pick<Optimizations, 'transaction'>
  readonly lessons: LessonReader
}): ProgressService {
  return {
    async report(viewer, lessonId, { percent, timeSpentSec }) {
      requireRole(viewer, 'student')
      const { classId } = await deps.lessons.visibleLesson(viewer, lessonId)
      const work = async (unit: UnitOfWork): Promise<ProgressView> => {
        const values = [randomUUID(), viewer.id, lessonId, percent, timeSpentSec]
        const saved = await unit.em.execute<ProgressRow>(UPSERT_PROGRESS, values, 'get')
        const [completed] =
          percent >= 100 ? await unit.em.execute<ProgressRow[]>(COMPLETE_PROGRESS, [viewer.id, lessonId]) : []
        const row = completed ?? saved
        const progress: ProgressView = {
          percent: row.percent,
          timeSpentSec: row.time_spent_sec,
          status: row.status,
          completedAt: iso(row.completed_at),
        }
        unit.invalidate(cacheTags.work(viewer.id))
        const at = Date.now()
        const { status } = progress
        const update = { lessonId, classId, studentId: viewer.id, percent: progress.percent, status, at }
        await unit.publish(classChannel(classId), 'progress.updated', update)
        if (completed !== undefined) {
          await unit.publish(userChannel(viewer.id), 'lesson.completed', { lessonId, classId, at })
        }
        return progress
      }
      return deps.optimizations.transaction(work)
    },
  }
}
