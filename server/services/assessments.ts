import { TTL_MS } from '#optimizations/cache/cache-defaults.ts'
import type { Database } from '#optimizations/database/database.ts'
import type { AssessmentStatus } from '#server/entities/assessment.ts'
import { AssessmentStatistics, AssessmentView, StudentAssessmentView } from '#server/schemas/assessment.ts'
import { cacheTags } from './cache-tags.ts'
import { requireRole, type ClassAccess, type Viewer } from './class-access.ts'
import type { Encoded, ReplyEncoder } from './reply-encoder.ts'
import { notFound } from './errors.ts'
import type { Readings } from './readings.ts'
import { iso } from './stamps.ts'

/** An assessment as it is kept: its text, and what decides who may see it. */
interface SharedAssessment extends Encoded<AssessmentView> {
  readonly classId: string
  readonly status: AssessmentStatus
}

type Asked = { readonly withAnswers: boolean; readonly assessmentId: string }

export interface AssessmentReader {
  /** With its questions; the answers to them are not for students. Drafts are for those who manage the class. */
  details(viewer: Viewer, assessmentId: string): Promise<Encoded<AssessmentView>>
  /** How the students did. For admins and the teacher of the class. */
  statistics(viewer: Viewer, assessmentId: string): Promise<Encoded<AssessmentStatistics>>
}

const ASSESSMENT = 'assessment'
const ASSESSMENT_SQL = `
  select a.id, a.school_class_id as "classId", a.lesson_id as "lessonId", a.title, a.kind, a.max_score as "maxScore",
    a.passing_score as "passingScore", a.max_attempts as "maxAttempts", a.time_limit_sec as "timeLimitSec",
    a.due_at as "dueAt", a.status, a.version,
    (select coalesce(jsonb_agg(jsonb_build_object('id', q.id, 'type', q.type, 'prompt', q.prompt, 'options', q.options,
        'points', q.points, 'correctAnswer', q.correct_answer) order by q.order_index), '[]')
      from assessment_questions q where q.assessment_id = a.id) as questions
  from assessments a where a.id = $1`

const STATISTICS = 'assessment statistics'
const STATISTICS_SQL = `
  with own as (select * from submissions where assessment_id = $1),
  graded as (select percent, passed from own where status = 'graded')
  select (select count(*)::int from own) as submissions, (select count(distinct student_id)::int from own) as students,
    (select count(*)::int from graded) as graded, count(*) filter (where passed)::int as passed,
    avg(percent) as "averagePercent",
    percentile_cont(array[0.25, 0.5, 0.75, 0.9]) within group (order by percent) as percentiles,
    (select jsonb_agg((select count(*) from graded where least(width_bucket(percent, 0, 100, 10), 10) = bucket)
      order by bucket) from generate_series(1, 10) as bucket) as histogram
  from graded`

interface AssessmentRow {
  readonly classId: string
  readonly status: AssessmentStatus
  readonly dueAt: string | null
  readonly questions: readonly { readonly correctAnswer: unknown }[]
}

interface StatisticsRow {
  readonly percentiles: readonly number[] | null
}

export function createAssessmentReader(deps: {
  readonly readings: Readings
  readonly database: Database
  readonly access: ClassAccess
  readonly replies: ReplyEncoder
}): AssessmentReader {
  const { readings, database, access, replies } = deps
  database.statements.register(ASSESSMENT, ASSESSMENT_SQL)
  database.statements.register(STATISTICS, STATISTICS_SQL)

  const load = async ({ withAnswers, assessmentId }: Asked): Promise<SharedAssessment | null> => {
    const [row] = await database.statements.execute<AssessmentRow>(ASSESSMENT, [assessmentId])
    if (row === undefined) return null
    const questions = withAnswers ? row.questions : row.questions.map(({ correctAnswer: _hidden, ...asked }) => asked)
    const view = withAnswers ? AssessmentView : StudentAssessmentView
    const encoded = replies.encode<AssessmentView>(view, { ...row, dueAt: iso(row.dueAt), questions })
    return { ...encoded, classId: row.classId, status: row.status }
  }

  const shared = readings.declare({
    name: 'assessment',
    ttlMs: TTL_MS.medium,
    tags: ({ assessmentId }) => [cacheTags.assessment(assessmentId)],
    load,
  })

  const statisticsOf = readings.declare({
    name: 'assessment-statistics',
    ttlMs: TTL_MS.short,
    tags: (assessmentId) => [cacheTags.results(assessmentId)],
    load: async (assessmentId: string) => {
      const [row] = await database.statements.execute<StatisticsRow>(STATISTICS, [assessmentId])
      const [p25 = null, median = null, p75 = null, p90 = null] = row?.percentiles ?? []
      const { percentiles: _split, ...counts } = row ?? {}
      const percentiles = { p25, median, p75, p90 }
      return replies.encode(AssessmentStatistics, { assessmentId, ...counts, percentiles })
    },
  })

  const details: AssessmentReader['details'] = async (viewer, assessmentId) => {
    const withAnswers = viewer.role !== 'student'
    const found = await shared({ withAnswers, assessmentId })
    const mayRead =
      found !== null && (withAnswers || found.status !== 'draft') && (await access.maySee(viewer, found.classId))
    if (!mayRead) throw notFound('assessment')
    return found
  }

  return {
    details,

    async statistics(viewer, assessmentId) {
      requireRole(viewer, 'admin', 'teacher')
      await details(viewer, assessmentId)
      return statisticsOf(assessmentId)
    },
  }
}
