import type { Database } from '#optimizations/database/database.ts'
import type { CurrentRequest } from '#optimizations/manager/current-request.ts'
import type { WarmingGroup, WarmingPlan } from '#optimizations/manager/warm.ts'
import type { Viewer } from '#server/services/class-access.ts'
import type { Services } from '#server/services/services.ts'

export interface WarmingPlanDeps {
  readonly database: Pick<Database, 'query' | 'statements'>
  readonly services: Pick<Services, 'assessments' | 'classes' | 'dashboard' | 'lessons'>
  readonly requests: CurrentRequest
}

/** May read everything, and is nobody: what is kept for all is the same whoever asks for it first. */
const READER = { id: '00000000-0000-4000-8000-000000000000', role: 'admin' } as const

/** Statements for one person or thing, with as many ids: asked about nobody they answer nothing, and are prepared. */
const BY_ID = {
  'classes of teacher': 1,
  'classes of student': 1,
  class: 1,
  'students of class': 1,
  lesson: 1,
  'own progress': 2,
  'lesson statistics': 1,
  assessment: 1,
  'assessment statistics': 1,
  'content item': 1,
  'unread notifications': 1,
  profile: 1,
} as const

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
export function createWarmingPlan({ database, services, requests }: WarmingPlanDeps): WarmingPlan {
  const { assessments, classes, dashboard, lessons } = services
  /** Not for the request that asked to warm, which need not wait for it, but under the time limit of the warming. */
  const until = <T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> => requests.run({ signal }, work)
  const rows =
    <R extends Row>(sql: string, most: number) =>
    (): Promise<readonly R[]> =>
      database.query<R>(sql, [most])
  const group = <R extends Row>(
    name: string,
    find: () => Promise<readonly R[]>,
    read: (row: R) => Promise<unknown>,
  ): WarmingGroup => ({
    name,
    items: async (signal) =>
      (await until(signal, find)).map((row) => ({
        name: row.id,
        warm: (itemSignal) => until(itemSignal, () => read(row)),
      })),
  })
  const prepared: WarmingGroup = {
    name: 'prepared statements',
    items: async () =>
      Object.entries(BY_ID).map(([name, ids]) => ({
        name,
        warm: (signal) => database.statements.execute(name, Array<string>(ids).fill(READER.id), { signal }),
      })),
  }
  const activeUsers = rows<Viewer>(ACTIVE_USERS, MOST_USERS)
  return [
    prepared,
    group('dashboards of active users', activeUsers, (viewer) => dashboard.overview(viewer)),
    group('lessons', rows(HOT_LESSONS, MOST_LESSONS), ({ id }) => lessons.visibleLesson(READER, id)),
    group('classes', rows(HOT_CLASSES, MOST_CLASSES), ({ id }) => classes.details(READER, id)),
    group('class lists of active users', activeUsers, (viewer) => classes.list(viewer, FIRST_PAGE)),
    group('assessments', rows(OPEN_ASSESSMENTS, MOST_ASSESSMENTS), ({ id }) => assessments.details(READER, id)),
  ]
}
