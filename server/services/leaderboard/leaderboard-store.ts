import type { Standing } from './board.ts'

export interface Top {
  /** The best first; of equal scores, the greater id first. */
  readonly standings: readonly Standing[]
  readonly own: { readonly score: number; readonly rank: number } | null
}

/**
 * Rankings that are kept in order, shared by all processes. The database is the truth: what is kept here can be lost at
 * any time. Every operation rejects when the store cannot be reached.
 */
export interface LeaderboardStore {
  /** The best of a ranking; where it is not kept, the version that belongs to `fill`, which makes it from the database. */
  read(board: string, count: number, userId: string): Promise<{ readonly top: Top } | { readonly version: string }>
  /** Keeps a whole ranking, unless a score has changed since the version was read: then it might be outdated. */
  fill(board: string, standings: readonly Standing[], version: string, ttlMs: number): Promise<void>
  /** Scores only ever rise within a ranking, so a late call changes nothing. */
  raise(board: string, standing: Standing): Promise<void>
  forget(board: string): Promise<void>
  /**
   * Takes the next turn to tell about a topic, turns being `intervalMs` apart over all processes. Answers in how many
   * milliseconds it comes; null when somebody has a turn that is still to come, and will tell about this too.
   */
  takeTurn(topic: string, intervalMs: number): Promise<number | null>
}
