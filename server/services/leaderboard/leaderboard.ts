import { TTL_MS } from '#optimizations/cache/cache-defaults.ts'
import type { Database } from '#optimizations/database/database.ts'
import type { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import type { Clock } from '#optimizations/kernel/clock.ts'
import { classChannel } from '../channel-names.ts'
import { requireRole, type ClassAccess, type Viewer } from '../class-access.ts'
import { notFound } from '../errors.ts'
import type { EventPublisher } from '../event-publishing.ts'
import type { Earned } from '../experience.ts'
import { boardName, periodStart, PERIODS, type Board, type Standing } from './board.ts'
import type { LeaderboardStore, Top } from './leaderboard-store.ts'
import { LocalTurns } from './turns.ts'

export interface LeaderboardView extends Board {
  readonly standings: readonly (Standing & { readonly rank: number })[]
  /** The viewer's own place; null for whoever has no score. */
  readonly own: Top['own']
}

export interface Leaderboard extends AsyncDisposable {
  /** The ranking of a class that the viewer may see, or of the school, which is for teachers and admins. */
  view(viewer: Viewer, board: Board): Promise<LeaderboardView>
  /** After the commit. Brings the rankings up to date and tells the class, at most once a second. Never rejects. */
  earned(earned: Earned): Promise<void>
  /** After the commit: who is in the class has changed. Once it resolves nobody sees the old ranking. Never rejects. */
  membersChanged(classId: string): Promise<void>
}

export interface LeaderboardDeps {
  readonly database: Database
  readonly publisher: Pick<EventPublisher, 'publish'>
  readonly access: ClassAccess
  readonly clock: Clock
  readonly tasks: BackgroundTasks
  /** null where rankings are always asked of the database. */
  readonly store: LeaderboardStore | null
}

const SHOWN = 50
const ANNOUNCED = 10
/** More than the second that is promised, because what is done between the turn and the event takes unequal time. */
const TURN_INTERVAL_MS = 1_100
/** The clock of Redis and the timer of the process may differ by so much; what counts at the turn must be seen at it. */
const TURN_SLACK_MS = 10

const CLASS_RANKING = 'ranking of class'
const CLASS_RANKING_SQL = `
  select u.id as "userId", u.display_name as "displayName", sum(s.xp_awarded)::int as score
  from assessments a
  join submissions s on s.assessment_id = a.id and s.submitted_at >= $2
  join enrollments e on e.school_class_id = a.school_class_id and e.student_id = s.student_id and e.status = 'active'
  join users u on u.id = s.student_id
  where a.school_class_id = $1 group by u.id having sum(s.xp_awarded) > 0 order by score desc, u.id desc`

const SCHOOL_RANKING = 'ranking of school'
const SCHOOL_RANKING_SQL = `
  select u.id as "userId", u.display_name as "displayName", sum(s.xp_awarded)::int as score
  from submissions s join users u on u.id = s.student_id
  where s.submitted_at >= $1 group by u.id having sum(s.xp_awarded) > 0 order by score desc, u.id desc`

/** Equal scores share a rank, and the next one comes after them all. */
function ranked(standings: readonly Standing[]): (Standing & { rank: number })[] {
  let rank = 0
  return standings.map((standing, i) => {
    if (standing.score !== standings[i - 1]?.score) rank = i + 1
    return { ...standing, rank }
  })
}

function topOf(all: readonly Standing[], userId: string): Top {
  const own = all.find((standing) => standing.userId === userId)
  return {
    standings: all.slice(0, SHOWN),
    own: own === undefined ? null : { score: own.score, rank: all.filter(({ score }) => score > own.score).length + 1 },
  }
}

/** Rankings kept in order in the store; made from the database where the store does not have them or does not answer. */
export function createLeaderboard(deps: LeaderboardDeps): Leaderboard {
  const { database, publisher, access, clock, tasks, store } = deps
  const { statements } = database
  statements.register(CLASS_RANKING, CLASS_RANKING_SQL)
  statements.register(SCHOOL_RANKING, SCHOOL_RANKING_SQL)
  const turns = new LocalTurns(clock)
  const stopped = new AbortController()
  const loading = new Map<string, Promise<readonly Standing[]>>()

  const query = ({ classId, period }: Board): Promise<Standing[]> => {
    const from = periodStart(period, clock.now())
    return classId === null
      ? statements.execute<Standing>(SCHOOL_RANKING, [from])
      : statements.execute<Standing>(CLASS_RANKING, [classId, from])
  }

  const load = async (board: Board, name: string, version: string | null): Promise<readonly Standing[]> => {
    const standings = await query(board)
    if (version !== null) await store?.fill(name, standings, version, TTL_MS.short).catch(() => undefined)
    return standings
  }

  /** One load for all who miss the same version of a ranking at the same time. */
  const loadOnce = (board: Board, name: string, version: string | null): Promise<readonly Standing[]> => {
    if (version === null) return load(board, name, version)
    const key = `${name} ${version}`
    const known = loading.get(key)
    // It belongs to the request that began it, and may end with it: whoever waited for it then asks for themselves.
    if (known !== undefined) return known.catch(() => load(board, name, version))
    const began = load(board, name, version).finally(() => loading.delete(key))
    loading.set(key, began)
    return began
  }

  const top = async (board: Board, userId: string): Promise<Top> => {
    const name = boardName(board, clock.now())
    const kept = await store?.read(name, SHOWN, userId).catch(() => null)
    if (kept && 'top' in kept) return kept.top
    return topOf(await loadOnce(board, name, kept?.version ?? null), userId)
  }

  const takeTurn = async (classId: string): Promise<number | null> => {
    const local = (): number | null => turns.take(classId, TURN_INTERVAL_MS)
    return store === null ? local() : store.takeTurn(classId, TURN_INTERVAL_MS).catch(local)
  }

  const announce = async (classId: string): Promise<void> => {
    const inMs = await takeTurn(classId)
    if (inMs === null) return
    // A stop does not wait for the turn: the event goes out before the publisher stops.
    if (inMs > 0) await clock.sleep(inMs + TURN_SLACK_MS, stopped.signal).catch(() => undefined)
    const { standings } = await top({ classId, period: 'all' }, '')
    const data = { classId, top: ranked(standings).slice(0, ANNOUNCED), at: clock.now() }
    const options = { coalesceKey: 'leaderboard.updated', priority: 'low' } as const
    await publisher.publish(classChannel(classId), 'leaderboard.updated', data, options)
  }

  return {
    async view(viewer, board) {
      if (board.classId === null) requireRole(viewer, 'admin', 'teacher')
      else if (!(await access.maySee(viewer, board.classId))) throw notFound('class')
      const { standings, own } = await top(board, viewer.id)
      return { ...board, standings: ranked(standings), own }
    },

    async earned({ userId, displayName, classId, scores }) {
      if (store !== null) {
        const now = clock.now()
        const raised = scores.map(({ score, ...board }) =>
          store.raise(boardName(board, now), { userId, displayName, score }),
        )
        // What is not raised is outdated for as long as it is kept, which is a minute.
        await Promise.allSettled(raised)
      }
      tasks.run('leaderboard.announce', () => announce(classId))
    },

    async membersChanged(classId) {
      if (store === null) return
      const names = PERIODS.map((period) => boardName({ classId, period }, clock.now()))
      // What is not forgotten is outdated for as long as it is kept, which is a minute.
      await Promise.allSettled(names.map((name) => store.forget(name)))
    },

    async [Symbol.asyncDispose]() {
      stopped.abort()
      await tasks.idle()
    },
  }
}
