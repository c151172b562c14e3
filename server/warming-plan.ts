import type { Database } from '#optimizations/database/database.ts'
import type { WarmingGroup, WarmingPlan } from '#optimizations/manager/warm.ts'
import type { Viewer } from '#server/services/class-access.ts'
import type { Services } from '#server/services/services.ts'

export interface WarmingPlanDeps {
  readonly database: Pick<Database, 'query'>
  readonly services: Pick<Services, 'assessments' | 'classes' | 'lessons'>
}

/** May read everything, and is nobody: what is kept for all is the same whoever asks for it first. */
const READER = { id: '00000000-0000-4000-8000-000000000000', role: 'admin' } as const

const MOST_LESSONS = 200
const MOST_CLASSES = 100
const MOST_ASSESSMENTS = 100
const MOST_USERS = 100
/** What a page asks for that says nothing of how much it wants. */
const FIRST_PAGE = { limit: 20 }

const HOT_LESSONS = `
  select l.id from lessons l join lesson_progress p on p.lesson_id = l.id
  where l.is_published group by l.id order by max(p.last_accessed_at) desc limit $1`
const HOT_CLASSES = `
  select c.id from school_classes c join enrollments e on e.school_class_id = c.id and e.status = 'active'
  where c.is_active group by c.id order by count(*) desc, c.id limit $1`
const OPEN_ASSESSMENTS = `
  select id from assessments where status = 'published' order by due_at desc nulls last, id limit $1`
const ACTIVE_USERS = `
  select id, role from users where is_active and role in ('teacher', 'student')
  order by last_login_at desc nulls last, xp desc, id limit $1`

interface Row {
  readonly id: string
}

/**
 * What the first minutes after a start ask for. Read through the services, so that it lands under the keys that requests
 * look under, and prepares the statements that they run.
 */
export function createWarmingPlan({ database, services }: WarmingPlanDeps): WarmingPlan {
  const { assessments, classes, lessons } = services
  const rows =
    <R extends Row>(sql: string, most: number) =>
    (signal: AbortSignal): Promise<readonly R[]> =>
      database.query<R>(sql, [most], { signal })
  const group = <R extends Row>(
    name: string,
    find: (signal: AbortSignal) => Promise<readonly R[]>,
    read: (row: R, signal: AbortSignal) => Promise<unknown>,
  ): WarmingGroup => ({
    name,
    items: async (signal) => (await find(signal)).map((row) => ({ name: row.id, warm: (until) => read(row, until) })),
  })
  return [
    group('lessons', rows(HOT_LESSONS, MOST_LESSONS), ({ id }, signal) => lessons.visibleLesson(READER, id, signal)),
    group('classes', rows(HOT_CLASSES, MOST_CLASSES), ({ id }, signal) => classes.details(READER, id, signal)),
    group('class lists of active users', rows<Viewer>(ACTIVE_USERS, MOST_USERS), (viewer, signal) =>
      classes.list(viewer, FIRST_PAGE, signal),
    ),
    group('assessments', rows(OPEN_ASSESSMENTS, MOST_ASSESSMENTS), ({ id }, signal) =>
      assessments.details(READER, id, signal),
    ),
  ]
}
