import type { Cache } from '#optimizations/cache/cache.ts'
import { cacheKey } from '#optimizations/cache/cache-key.ts'
import type { Database } from '#optimizations/database/database.ts'
import { Lesson, type LessonContent } from '#server/entities/lesson.ts'
import { LessonProgress, type ProgressStatus } from '#server/entities/lesson-progress.ts'
import type { ClassAccess, Viewer } from './class-access.ts'
import { ServiceError } from './errors.ts'

/** What everybody who may see a lesson sees of it: the part that is shared through the cache. */
export interface LessonView {
  readonly id: string
  readonly classId: string
  readonly title: string
  readonly description: string
  readonly orderIndex: number
  readonly contentType: string
  readonly difficulty: string
  readonly estimatedMinutes: number
  readonly contentData: LessonContent
  readonly isPublished: boolean
  readonly publishedAt: string | null
  readonly version: number
}

export interface ProgressView {
  readonly percent: number
  readonly timeSpentSec: number
  readonly status: ProgressStatus
  readonly completedAt: string | null
}

/** A line of the list of lessons. */
export interface LessonSummary {
  readonly id: string
  readonly classId: string
  readonly className: string
  readonly title: string
}

export interface LessonReader {
  /** The first lessons that the viewer may see, by class and order. */
  visibleLessons(viewer: Viewer, signal: AbortSignal): Promise<readonly LessonSummary[]>
  /** The lesson, as long as the viewer may see it. A lesson that is hidden from the viewer is as unknown as one that never was. */
  visibleLesson(viewer: Viewer, lessonId: string, signal: AbortSignal): Promise<LessonView>
  /** The viewer's own progress in a lesson; null before the first. */
  progressOf(viewer: Viewer, lessonId: string, signal: AbortSignal): Promise<ProgressView | null>
}

/** The tag of everything in the cache that was made from this lesson. */
const lessonTag = (lessonId: string): string => `lesson:${lessonId}`

const LESSON_TTL_MS = 3_600_000
const UNKNOWN_LESSON_TTL_MS = 30_000
const LISTED_LESSONS = 100

function viewOf(lesson: Lesson): LessonView {
  return {
    id: lesson.id,
    classId: lesson.schoolClass.id,
    title: lesson.title,
    description: lesson.description,
    orderIndex: lesson.orderIndex,
    contentType: lesson.contentType,
    difficulty: lesson.difficulty,
    estimatedMinutes: lesson.estimatedMinutes,
    contentData: lesson.contentData,
    isPublished: lesson.isPublished,
    publishedAt: lesson.publishedAt?.toISOString() ?? null,
    version: lesson.version,
  }
}

export function createLessonReader(deps: {
  readonly cache: Cache
  readonly database: Database
  readonly access: ClassAccess
}): LessonReader {
  const { cache, database, access } = deps

  const loadLesson = async (lessonId: string): Promise<LessonView | null> => {
    const lesson = await database.fork().findOne(Lesson, lessonId)
    return lesson === null ? null : viewOf(lesson)
  }

  return {
    async visibleLessons(viewer, signal) {
      const em = database.fork({ signal })
      const classes = await access.visibleClasses(viewer, signal)
      const lessons = await em.find(
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

    async visibleLesson(viewer, lessonId, signal) {
      // The load is shared by everyone who waits for it, so it does not end with one caller's signal.
      const lesson = await cache.getOrSet(cacheKey('lesson', lessonId), () => loadLesson(lessonId), {
        ttlMs: LESSON_TTL_MS,
        negativeTtlMs: UNKNOWN_LESSON_TTL_MS,
        tags: [lessonTag(lessonId)],
        signal,
      })
      const mayRead =
        lesson !== null &&
        (lesson.isPublished || viewer.role !== 'student') &&
        (await access.maySee(viewer, lesson.classId, signal))
      if (!mayRead) throw new ServiceError('not_found', 'There is no such lesson, or it is not yours to see.')
      return lesson
    },

    async progressOf(viewer, lessonId, signal) {
      if (viewer.role !== 'student') return null
      const progress = await database.fork({ signal }).findOne(LessonProgress, { student: viewer.id, lesson: lessonId })
      if (progress === null) return null
      const { percent, timeSpentSec, status, completedAt } = progress
      return { percent, timeSpentSec, status, completedAt: completedAt?.toISOString() ?? null }
    },
  }
}
