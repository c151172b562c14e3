import { randomUUID } from 'node:crypto'
import { sqlStateOf } from '#optimizations/database/errors.ts'
import type { EntityManager } from '#optimizations/database/database.ts'
import type { AnswerValue, AssessmentStatus } from '#server/entities/assessment.ts'
import type { SubmittedAnswer } from '#server/entities/submission.ts'
import type { SubmissionView } from '#server/schemas/submission.ts'
import { cacheTags } from './cache-tags.ts'
import { userChannel } from './channel-names.ts'
import { requireRole, type Viewer } from './class-access.ts'
import { notFound, ServiceError } from './errors.ts'
import { awardExperience, type Earned } from './experience.ts'
import { gradeAnswers, type GradableQuestion, type Grade } from './grading.ts'
import type { Leaderboard } from './leaderboard/leaderboard.ts'
import { iso } from './stamps.ts'
import type { Optimizations, UnitOfWork } from './event-publishing.ts'

export interface NewSubmission {
  readonly answers: readonly SubmittedAnswer[]
  /** The same key is the same submission, however often it arrives. */
  readonly idempotencyKey?: string | undefined
}

export interface SubmissionService {
  /**
   * Takes and grades an attempt of a student. `isReplay` says that it had been taken before under its key. Throws
   * `conflict` when the assessment is not open (any more) or no attempt is left, `key_reused` when the key came with
   * other answers before.
   */
  submit(
    viewer: Viewer,
    assessmentId: string,
    submission: NewSubmission,
  ): Promise<{ readonly view: SubmissionView; readonly isReplay: boolean }>
}

interface Target {
  readonly classId: string
  readonly teacherId: string
  readonly title: string
  readonly status: AssessmentStatus
  readonly dueAt: string | null
  readonly maxScore: number
  readonly maxAttempts: number
  readonly passingScore: number
}

interface SubmissionRow extends Omit<SubmissionView, 'attemptsLeft' | 'maxScore'> {
  readonly answers: readonly SubmittedAnswer[]
}

interface Attempt {
  readonly assessmentId: string
  readonly studentId: string
  readonly submission: NewSubmission
}

const UNIQUE_VIOLATION = '23505'

/** The enrolment is locked: attempts of one student follow one another, and none outlives the enrolment. */
const LOCK_TARGET = `
  select a.school_class_id as "classId", c.teacher_id as "teacherId", a.title, a.status, a.due_at as "dueAt",
    a.max_score as "maxScore", a.max_attempts as "maxAttempts", a.passing_score as "passingScore"
  from assessments a
  join school_classes c on c.id = a.school_class_id
  join enrollments e on e.school_class_id = a.school_class_id and e.student_id = ? and e.status = 'active'
  where a.id = ? and a.status <> 'draft' for update of e`

const COLUMNS = `id, assessment_id as "assessmentId", attempt_no as "attemptNo", status, score, percent, passed,
  xp_awarded as "xpAwarded", submitted_at as "submittedAt"`

const INSERT = `
  insert into submissions (id, assessment_id, student_id, attempt_no, answers, score, percent, passed, status,
    xp_awarded, idempotency_key, submitted_at, graded_at)
  values (?, ?, ?, ?, ?::jsonb, ?, ?, ?, ?, ?, ?, ?, ?) returning ${COLUMNS}`

/** In the form in which equal answers are equal texts, whatever way they went through the database. */
const textOf = (answers: readonly SubmittedAnswer[]): string =>
  JSON.stringify(answers.map(({ questionId, answer }) => [questionId, answer]))

const keyReused = (): ServiceError =>
  new ServiceError('key_reused', 'This idempotency key came with another submission before.')

/** The submission that came under this key before. */
async function replayOf(em: EntityManager, attempt: Attempt): Promise<SubmissionRow | undefined> {
  const { studentId, assessmentId, submission } = attempt
  if (submission.idempotencyKey === undefined) return undefined
  const [row] = await em.execute<SubmissionRow[]>(
    `select ${COLUMNS}, answers from submissions where student_id = ? and idempotency_key = ?`,
    [studentId, submission.idempotencyKey],
  )
  if (row === undefined) return undefined
  if (row.assessmentId !== assessmentId || textOf(row.answers) !== textOf(submission.answers)) throw keyReused()
  return row
}

function requireOpen({ status, dueAt }: Target, now: Date): void {
  if (status === 'closed') throw new ServiceError('conflict', 'The assessment is closed.')
  if (dueAt !== null && iso(dueAt) < now.toISOString())
    throw new ServiceError('conflict', 'The assessment was due before.')
}

async function grade(em: EntityManager, { assessmentId, submission }: Attempt): Promise<Grade> {
  const questions = await em.execute<GradableQuestion[]>(
    'select id, type, correct_answer as "correctAnswer", points from assessment_questions where assessment_id = ?',
    [assessmentId],
  )
  const known = new Set(questions.map(({ id }) => id))
  const answers = new Map<string, AnswerValue>()
  for (const { questionId, answer } of submission.answers) {
    if (!known.has(questionId))
      throw new ServiceError('invalid_request', `${questionId} is no question of this assessment.`)
    if (answers.has(questionId)) throw new ServiceError('invalid_request', `${questionId} is answered twice.`)
    answers.set(questionId, answer)
  }
  return gradeAnswers(questions, answers)
}

function viewOf(row: SubmissionRow, { maxScore, maxAttempts }: Target): SubmissionView {
  const { answers: _own, ...view } = row
  return {
    ...view,
    submittedAt: iso(row.submittedAt),
    maxScore,
    attemptsLeft: Math.max(0, maxAttempts - row.attemptNo),
  }
}

interface Taken {
  readonly view: SubmissionView
  readonly isReplay: boolean
  /** Absent where the attempt earned nothing. */
  readonly earned?: Earned
}

async function take(unit: UnitOfWork, attempt: Attempt): Promise<Taken> {
  const { em } = unit
  const { assessmentId, studentId, submission } = attempt
  const [target] = await em.execute<Target[]>(LOCK_TARGET, [studentId, assessmentId])
  if (target === undefined) throw notFound('assessment')
  const known = await replayOf(em, attempt)
  if (known !== undefined) return { view: viewOf(known, target), isReplay: true }

  const now = new Date()
  requireOpen(target, now)
  const before = await em.execute<{ attempts: number; best: number }>(
    `select coalesce(max(attempt_no), 0)::int as attempts, coalesce(max(score), 0)::int as best
     from submissions where assessment_id = ? and student_id = ?`,
    [assessmentId, studentId],
    'get',
  )
  if (before.attempts >= target.maxAttempts) {
    throw new ServiceError('conflict', `All ${target.maxAttempts} attempts are used.`)
  }
  const { score, percent, isFinal } = await grade(em, attempt)
  const xp = Math.max(0, score - before.best)
  const row = await em.execute<SubmissionRow>(
    INSERT,
    [
      randomUUID(),
      assessmentId,
      studentId,
      before.attempts + 1,
      JSON.stringify(submission.answers),
      score,
      isFinal ? percent : null,
      isFinal ? percent >= target.passingScore : null,
      isFinal ? 'graded' : 'submitted',
      xp,
      submission.idempotencyKey ?? null,
      now,
      isFinal ? now : null,
    ],
    'get',
  )
  const view = viewOf(row, target)
  const earned = xp > 0 ? await awardExperience(em, { studentId, classId: target.classId, xp, at: now }) : undefined
  unit.invalidate(cacheTags.results(assessmentId), cacheTags.work(studentId), cacheTags.work(target.teacherId))
  if (earned !== undefined) unit.invalidate(...earned.classIds.map(cacheTags.roster))
  await announce(unit, { studentId, target, view })
  return { view, isReplay: false, ...(earned === undefined ? {} : { earned }) }
}

async function announce(
  unit: UnitOfWork,
  { studentId, target, view }: { readonly studentId: string; readonly target: Target; readonly view: SubmissionView },
): Promise<void> {
  const { id: submissionId, assessmentId, attemptNo, score, maxScore, percent, passed, xpAwarded } = view
  const { classId, teacherId, title } = target
  const at = Date.now()
  const common = { submissionId, assessmentId, classId, title, attemptNo, score, maxScore, percent, passed, at }
  await unit.publish(userChannel(teacherId), 'quiz.submitted', { ...common, studentId })
  await unit.publish(userChannel(studentId), 'quiz.result', { ...common, xpAwarded })
}

export function createSubmissionService(
  optimizations: Pick<Optimizations, 'transaction'>,
  { leaderboard }: { readonly leaderboard: Pick<Leaderboard, 'earned'> },
): SubmissionService {
  return {
    async submit(viewer, assessmentId, submission) {
      requireRole(viewer, 'student')
      const attempt = { assessmentId, studentId: viewer.id, submission }
      const taken = optimizations.transaction((unit) => take(unit, attempt))
      const { view, isReplay, earned } = await taken.catch((error: unknown) => {
        // Attempts wait for each other within a class; the same key at the same time in another one ends here.
        throw sqlStateOf(error) === UNIQUE_VIOLATION ? keyReused() : error
      })
      if (earned !== undefined) await leaderboard.earned(earned)
      return { view, isReplay }
    },
  }
}
