import { TTL_MS } from '#optimizations/cache/cache-defaults.ts'
import type { LoadContext } from '#optimizations/cache/cache.ts'
import type { Database } from '#optimizations/database/database.ts'
import { Activity, SchoolMetrics } from '#server/schemas/dashboard.ts'
import { cacheTags } from './cache-tags.ts'
import { requireRole, type Viewer } from './class-access.ts'
import type { Encoded, ReplyEncoder } from './reply-encoder.ts'
import { loadParts, type LoadPart } from './parts.ts'
import type { Readings } from './readings.ts'
import { iso } from './stamps.ts'

/** The school in numbers, for admins. */
export interface ReportService {
  /** `refresh` asks the database anew, and keeps the answer for everybody. */
  metrics(viewer: Viewer, options: { readonly refresh: boolean }): Promise<Encoded<SchoolMetrics>>
  /** The last 24 hours, hour by hour; hours in which nothing happened are there too. */
  activity(viewer: Viewer): Promise<Encoded<Activity>>
}

export interface ReportDeps {
  readonly readings: Readings
  readonly database: Database
  readonly replies: ReplyEncoder
  readonly onError: (reason: string, error: unknown) => void
}

const DEADLINE_MS = 5_000

const METRICS = {
  users: `
    select count(*)::int as "all", count(*) filter (where is_active)::int as active,
      count(*) filter (where role = 'student')::int as students,
      count(*) filter (where role = 'teacher')::int as teachers from users`,
  classes: `
    select count(*)::int as "all", count(*) filter (where is_active)::int as active,
      (select count(*)::int from enrollments where status = 'active') as enrollments from school_classes`,
  progress: `
    select count(*)::int as "all", count(*) filter (where status = 'completed')::int as completed,
      avg(percent) as "averagePercent" from lesson_progress`,
  assessments: `
    select (select count(*)::int from assessments where status = 'published') as published,
      count(*)::int as submissions, avg(percent) as "averagePercent",
      avg(passed::int)::float8 as "passRate" from submissions`,
  content: `
    select count(*)::int as "all", count(*) filter (where status = 'published')::int as published,
      coalesce(sum(view_count), 0)::float8 as views from content_items`,
} as const

const ACTIVITY = 'activity'
const ACTIVITY_SQL = `
  with hours as (
    select generate_series(date_trunc('hour', now()) - interval '23 hours', date_trunc('hour', now()), interval '1 hour')
      as hour),
  handed_in as (select date_trunc('hour', submitted_at) as hour, count(*)::int as n from submissions
    where submitted_at >= (select min(hour) from hours) group by 1),
  learned as (select date_trunc('hour', last_accessed_at) as hour, count(*)::int as n from lesson_progress
    where last_accessed_at >= (select min(hour) from hours) group by 1),
  signed_in as (select date_trunc('hour', last_login_at) as hour, count(*)::int as n from users
    where last_login_at >= (select min(hour) from hours) group by 1)
  select hours.hour, coalesce(handed_in.n, 0) as submissions, coalesce(learned.n, 0) as lessons,
    coalesce(signed_in.n, 0) as "signIns"
  from hours left join handed_in using (hour) left join learned using (hour) left join signed_in using (hour)
  order by hours.hour`

interface Hour {
  readonly hour: string
  readonly submissions: number
  readonly lessons: number
  readonly signIns: number
}

export function createReportService({ readings, database, replies, onError }: ReportDeps): ReportService {
  const { statements } = database
  for (const [name, sql] of Object.entries(METRICS)) statements.register(`metrics of ${name}`, sql)
  statements.register(ACTIVITY, ACTIVITY_SQL)

  const loadMetrics = async (_input: null, context: LoadContext): Promise<Encoded<SchoolMetrics>> => {
    const one = (name: string) => async (signal: AbortSignal) => {
      const [row] = await statements.execute(`metrics of ${name}`, [], { signal })
      return row
    }
    const loads: Record<string, LoadPart<unknown>> = {}
    for (const name of Object.keys(METRICS)) loads[name] = one(name)
    const { parts, isComplete } = await loadParts(loads, { deadlineMs: DEADLINE_MS, onError })
    if (!isComplete) context.doNotKeep()
    return replies.encode(SchoolMetrics, { generatedAt: new Date().toISOString(), isComplete, parts })
  }

  const loadActivity = async (): Promise<Encoded<Activity>> => {
    const rows = await statements.execute<Hour>(ACTIVITY)
    const hours = rows.map((row) => ({ ...row, hour: iso(row.hour) }))
    const sum = (of: (hour: Hour) => number): number => hours.reduce((all, hour) => all + of(hour), 0)
    const total = {
      submissions: sum(({ submissions }) => submissions),
      lessons: sum(({ lessons }) => lessons),
      signIns: sum(({ signIns }) => signIns),
    }
    return replies.encode(Activity, { hours, total })
  }

  const tags = [cacheTags.metrics]
  const schoolMetrics = readings.declare({ name: 'metrics', ttlMs: TTL_MS.medium, tags: () => tags, load: loadMetrics })
  const schoolActivity = readings.declare({ name: 'activity', ttlMs: TTL_MS.short, load: loadActivity })

  return {
    async metrics(viewer, { refresh }) {
      requireRole(viewer, 'admin')
      // Not the `refresh` of the cache: it keeps its result behind the reply, and the next reader may come before that.
      if (refresh) await readings.invalidate(tags)
      return schoolMetrics(null)
    },

    async activity(viewer) {
      requireRole(viewer, 'admin')
      return schoolActivity(null)
    },
  }
}
