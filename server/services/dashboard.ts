import { TTL_MS } from '#optimizations/cache/cache-defaults.ts'
import type { LoadContext } from '#optimizations/cache/cache.ts'
import type { Database, Row } from '#optimizations/database/database.ts'
import { Overview } from '#server/schemas/dashboard.ts'
import { cacheTags } from './cache-tags.ts'
import { requireRole, type Viewer } from './class-access.ts'
import type { Encoded, ReplyEncoder } from './reply-encoder.ts'
import { loadParts, type LoadPart } from './parts.ts'
import type { Readings } from './readings.ts'
import { iso } from './stamps.ts'

type Asker = { readonly role: Viewer['role']; readonly id: string }

export interface DashboardService {
  /** What the viewer should know now. A part that could not be had is marked, and such an overview is not kept. */
  overview(viewer: Viewer): Promise<Encoded<Overview>>
}

export interface DashboardDeps {
  readonly readings: Readings
  readonly database: Database
  readonly replies: ReplyEncoder
  readonly onError: (reason: string, error: unknown) => void
}

const DEADLINE_MS = 2_000
/** A refresh may take a while; an overview that is a little old is better than a wait. */
const STALE_MS = TTL_MS.standard

/** By name, those that the specification names by its names; `$1` is the viewer. */
const STATEMENTS = {
  get_teacher_classes: `
    select c.id, c.name, c.subject, c.grade_level as "gradeLevel", count(e.id)::int as "studentCount"
    from school_classes c left join enrollments e on e.school_class_id = c.id and e.status = 'active'
    where c.teacher_id = $1 and c.is_active group by c.id order by c.name, c.id`,
  get_recent_assignments: `
    select a.id, a.title, a.school_class_id as "classId", a.due_at as "dueAt", count(s.id)::int as submitted,
      count(s.id) filter (where s.status = 'graded')::int as graded
    from school_classes c join assessments a on a.school_class_id = c.id and a.status <> 'draft'
    left join submissions s on s.assessment_id = a.id
    where c.teacher_id = $1 and a.due_at between now() - interval '7 days' and now() + interval '7 days'
    group by a.id order by a.due_at, a.id`,
  get_student_progress: `
    select c.id as "classId", c.name, count(l.id)::int as lessons,
      count(p.id) filter (where p.status = 'completed')::int as completed,
      coalesce(avg(coalesce(p.percent, 0)), 0) as "averagePercent"
    from enrollments e join school_classes c on c.id = e.school_class_id
    left join lessons l on l.school_class_id = c.id and l.is_published
    left join lesson_progress p on p.lesson_id = l.id and p.student_id = e.student_id
    where e.student_id = $1 and e.status = 'active' group by c.id order by c.name, c.id`,
  'student assessments': `
    select a.id, a.title, a.school_class_id as "classId", a.due_at as "dueAt", a.max_attempts as "maxAttempts",
      count(s.id)::int as attempts, max(s.percent) as "bestPercent"
    from enrollments e join assessments a on a.school_class_id = e.school_class_id and a.status = 'published'
    left join submissions s on s.assessment_id = a.id and s.student_id = e.student_id
    where e.student_id = $1 and e.status = 'active' and (a.due_at is null or a.due_at > now())
    group by a.id order by a.due_at nulls last, a.id limit 20`,
  get_user_dashboard_base: 'select xp, level, streak_days as "streakDays" from users where id = $1',
  'admin users': `
    select count(*) filter (where role = 'student')::int as students,
      count(*) filter (where role = 'teacher')::int as teachers, count(*)::int as "all"
    from users where is_active and $1::uuid is not null`,
  'admin school': `
    select (select count(*)::int from school_classes where is_active) as classes,
      (select count(*)::int from enrollments where status = 'active') as enrollments,
      (select count(*)::int from content_items where status = 'pending') as "pendingContent"
    where $1::uuid is not null`,
} as const

type StatementName = keyof typeof STATEMENTS

const withDueAt = (row: Row): Row => ({ ...row, dueAt: iso(row['dueAt'] as string | null) })

export function createDashboardService({ readings, database, replies, onError }: DashboardDeps): DashboardService {
  const { statements } = database
  for (const [name, sql] of Object.entries(STATEMENTS)) statements.register(name, sql)

  const partsOf = ({ id, role }: Viewer): Readonly<Record<string, LoadPart<unknown>>> => {
    const rows = (name: StatementName) => (signal: AbortSignal) => statements.execute(name, [id], { signal })
    const dated = (name: StatementName) => async (signal: AbortSignal) => (await rows(name)(signal)).map(withDueAt)
    const one = (name: StatementName) => async (signal: AbortSignal) => (await rows(name)(signal))[0] ?? null
    if (role === 'teacher')
      return { classes: rows('get_teacher_classes'), assessments: dated('get_recent_assignments') }
    if (role === 'admin') return { users: one('admin users'), school: one('admin school') }
    return {
      progress: rows('get_student_progress'),
      assessments: dated('student assessments'),
      standing: one('get_user_dashboard_base'),
    }
  }

  const load = async (viewer: Asker, context: LoadContext): Promise<Encoded<Overview>> => {
    const { parts, isComplete } = await loadParts(partsOf(viewer), { deadlineMs: DEADLINE_MS, onError })
    if (!isComplete) context.doNotKeep()
    return replies.encode(Overview, { role: viewer.role, isComplete, parts })
  }

  const overviewOf = readings.declare({
    name: 'dashboard',
    // An admin sees the whole school, of which everything is news: nobody tells, so it does not live long.
    ttlMs: ({ role }) => (role === 'admin' ? TTL_MS.short : TTL_MS.medium),
    staleMs: STALE_MS,
    tags: ({ id }) => [cacheTags.belonging(id), cacheTags.work(id), cacheTags.dashboards],
    load,
  })

  return {
    async overview(viewer) {
      requireRole(viewer, 'admin', 'teacher', 'student')
      return overviewOf({ role: viewer.role, id: viewer.id })
    },
  }
}
