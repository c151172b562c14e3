import type { EntityManager } from '#optimizations/database/database.ts'
import { periodStart, type Board, type Standing } from './leaderboard/board.ts'

const XP_PER_LEVEL = 100

/** Everybody begins at level 1. */
export function levelOf(xp: number): number {
  return 1 + Math.floor(xp / XP_PER_LEVEL)
}

/** What a student has earned by now, in all rankings that it counts in. */
export interface Earned extends Omit<Standing, 'score'> {
  readonly classId: string
  /** All classes of the student, whose rosters show it. */
  readonly classIds: readonly string[]
  readonly scores: readonly (Board & { readonly score: number })[]
}

export interface Award {
  readonly studentId: string
  /** Where it was earned. */
  readonly classId: string
  readonly xp: number
  readonly at: Date
}

const AWARD = `
  update users set xp = xp + ?, level = 1 + (xp + ?) / ${XP_PER_LEVEL}, updated_at = now()
  where id = ? returning display_name as "displayName"`

/** A statement of its own: one that waits for a lock does not see what was committed while it waited. */
const CLASSES = `select school_class_id as id from enrollments where student_id = ? and status = 'active'`

const EARNED = `
  select coalesce(sum(s.xp_awarded), 0)::int as "all",
    coalesce(sum(s.xp_awarded) filter (where s.submitted_at >= ?), 0)::int as month,
    coalesce(sum(s.xp_awarded) filter (where s.submitted_at >= ?), 0)::int as week
  from submissions s join assessments a on a.id = s.assessment_id
  where s.student_id = ? and (?::uuid is null or a.school_class_id = ?::uuid)`

/**
 * Adds to what the student has. To be called behind the insertion of what earned it: the row of the student is locked
 * until the commit, so that the sums of one student are taken one after another.
 */
export async function awardExperience(em: EntityManager, { studentId, classId, xp, at }: Award): Promise<Earned> {
  const { displayName } = await em.execute<Pick<Earned, 'displayName'>>(AWARD, [xp, xp, studentId], 'get')
  const classes = await em.execute<{ id: string }[]>(CLASSES, [studentId])
  const starts = [periodStart('month', at.getTime()), periodStart('week', at.getTime())]
  const scores: (Board & { score: number })[] = []
  for (const board of [classId, null]) {
    const sums = await em.execute<Record<Board['period'], number>>(EARNED, [...starts, studentId, board, board], 'get')
    for (const period of ['all', 'month', 'week'] as const) {
      scores.push({ classId: board, period, score: sums[period] })
    }
  }
  return { userId: studentId, displayName, classIds: classes.map(({ id }) => id), classId, scores }
}
