import { TTL_MS } from '#optimizations/cache/cache-defaults.ts'
import type { Database } from '#optimizations/database/database.ts'
import { Lesson } from '#server/entities/lesson.ts'
import {
  LessonStatistics,
  OwnProgress,
  SharedLessonView,
  type LessonSummary,
  type LessonView,
  type ProgressView,
} from '#server/schemas/lesson.ts'
import { cacheTags } from './cache-tags.ts'
import type { ClassAccess, Viewer } from './class-access.ts'
import { requireRole } from './class-access.ts'
import type { Encoded, ReplyEncoder } from './reply-encoder.ts'
import { notFound } from './errors.ts'
import type { Readings } from './readings.ts'
import { iso } from './stamps.ts'

/** A lesson as it is kept: its text, and what decides who may see it. */
export interface SharedLesson extends Encoded<SharedLessonView> {
  readonly classId: string
  readonly isPublished: boolean
}

type Attendance = { readonly studentId: string; readonly lessonId: string }

export interface LessonReader {
  /** The first lessons that the viewer may see, by class and order. */
  visibleLessons(viewer: Viewer): Promise<readonly LessonSummary[]>
  /** The lesson, as long as the viewer may see it. */
  visibleLesson(viewer: Viewer, lessonId: string): Promise<SharedLesson>
  /** The lesson with the viewer's own progress in it; null before the first report, and for everybody but students. */
  lessonWithProgress(viewer: Viewer, lessonId: string): Promise<Encoded<LessonView>>
  /** How its students do. For admins and the teacher of the class. */
  statistics(viewer: Viewer, lessonId: string): Promise<Encoded<LessonStatistics>>
}

const LISTED_LESSONS = 100

const LESSON = 'lesson'
const LESSON_SQL = `
  select id, school_class_id as "classId", title, description, order_index as "orderIndex",
    content_type as "contentType", difficulty, estimated_minutes as "estimatedMinutes", content_data as "contentData",
    is_published as "isPublished", published_at as "publishedAt", version
  from lessons where id = $1`

const OWN_PROGRESS = 'own progress'
const OWN_PROGRESS_SQL = `
  select percent, time_spent_sec as "timeSpentSec", status, completed_at as "completedAt"
  from lesson_progress where student_id = $1 and lesson_id = $2`

const STATISTICS = 'lesson statistics'
const STATISTICS_SQL = `
  select count(e.id)::int as students, count(p.id)::int as started,
    count(*) filter (where p.status = 'completed')::int as completed,
    avg(p.percent) as "averagePercent", avg(p.time_spent_sec)::float8 as "averageTimeSec",
    percentile_cont(0.5) within group (order by p.percent) as "medianPercent"
  from lessons l
  join enrollments e on e.school_class_id = l.school_class_id and e.status = 'active'
  left join lesson_progress p on p.lesson_id = l.id and p.student_id = e.student_id
  where l.id = $1`

interface LessonRow {
  readonly classId: string
  readonly isPublished: boolean
  readonly publishedAt: string | null
}

export function createLessonReader(deps: {
  readonly readings: Readings
  readonly database: Database
  readonly access: ClassAccess
  readonly replies: ReplyEncoder
}): LessonReader {
  const { readings, database, access, replies } = deps
  const { statements } = database
  statements.register(LESSON, LESSON_SQL)
  statements.register(OWN_PROGRESS, OWN_PROGRESS_SQL)
  statements.register(STATISTICS, STATISTICS_SQL)

  const shared = readings.declare({
    name: 'lesson',
    ttlMs: TTL_MS.long,
    tags: (lessonId) => [cacheTags.lesson(lessonId)],
    load: async (lessonId: string): Promise<SharedLesson | null> => {
      const [row] = await statements.execute<LessonRow>(LESSON, [lessonId])
      if (row === undefined) return null
      const encoded = replies.encode(SharedLessonView, { ...row, publishedAt: iso(row.publishedAt) })
      return { ...encoded, classId: row.classId, isPublished: row.isPublished }
    },
  })

  const ownProgress = readings.declare({
    name: 'progress',
    ttlMs: TTL_MS.short,
    tags: ({ studentId }) => [cacheTags.work(studentId)],
    load: async ({ studentId, lessonId }: Attendance): Promise<ProgressView | null> => {
      const [row] = await statements.execute<ProgressView>(OWN_PROGRESS, [studentId, lessonId])
      return row === undefined ? null : { ...row, completedAt: iso(row.completedAt) }
    },
  })

  const statisticsOf = readings.declare({
    name: 'lesson-statistics',
    // No write ends them: they are as old as that at most.
    ttlMs: TTL_MS.short,
    load: async (lessonId: string) => {
      const [row] = await statements.execute(STATISTICS, [lessonId])
      return replies.encode(LessonStatistics, { lessonId, ...row })
    },
  })

  const visibleLesson: LessonReader['visibleLesson'] = async (viewer, lessonId) => {
    const lesson = await shared(lessonId)
    const mayRead =
      lesson !== null &&
      (lesson.isPublished || viewer.role !== 'student') &&
      (await access.maySee(viewer, lesson.classId))
    if (!mayRead) throw notFound('lesson')
    return lesson
  }

  const progressOf = async ({ role, id: studentId }: Viewer, lessonId: string): Promise<ProgressView | null> =>
    role === 'student' ? ownProgress({ studentId, lessonId }) : null

  return {
    async visibleLessons(viewer) {
      requireRole(viewer, 'admin', 'teacher', 'student')
      const classes = await access.visibleClasses(viewer)
      const lessons = await database.fork().find(
        Lesson,
        {
          ...(classes === 'all' ? {} : { schoolClass: { $in: classes } }),
          ...(viewer.role === 'student' ? { isPublished: true } : {}),
        },
        {
          fields: ['id', 'title', 'schoolClass.id', 'schoolClass.name'],
          populate: ['schoolClass'],
          orderBy: { schoolClass: { name: 'asc', id: 'asc' }, orderIndex: 'asc' },
          limit: LISTED_LESSONS,
        },
      )
      return lessons.map(({ id, title, schoolClass }) => ({
        id,
        classId: schoolClass.id,
        className: schoolClass.$.name,
        title,
      }))
    },

    visibleLesson,

    async lessonWithProgress(viewer, lessonId) {
      const [lesson, progress] = await Promise.all([visibleLesson(viewer, lessonId), progressOf(viewer, lessonId)])
      return replies.withMember(lesson, { name: 'progress', schema: OwnProgress, value: progress })
    },

    async statistics(viewer, lessonId) {
      requireRole(viewer, 'admin', 'teacher')
      await visibleLesson(viewer, lessonId)
      return statisticsOf(lessonId)
    },
  }
}
