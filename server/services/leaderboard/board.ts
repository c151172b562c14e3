import { DAY_MS } from '#server/services/stamps.ts'

export const PERIODS = ['all', 'month', 'week'] as const
export type Period = (typeof PERIODS)[number]

/** One ranking: of a class or, without one, of the school; of all time, or of the current month or week. */
export interface Board {
  readonly classId: string | null
  readonly period: Period
}

export interface Standing {
  readonly userId: string
  readonly displayName: string
  readonly score: number
}

/** Months and weeks begin at midnight UTC, weeks on Monday (ISO 8601). */
export function periodStart(period: Period, now: number): Date {
  const today = new Date(now)
  if (period === 'all') return new Date(0)
  if (period === 'month') return new Date(Date.UTC(today.getUTCFullYear(), today.getUTCMonth()))
  const midnight = Date.UTC(today.getUTCFullYear(), today.getUTCMonth(), today.getUTCDate())
  const daysSinceMonday = (today.getUTCDay() + 6) % 7
  return new Date(midnight - daysSinceMonday * DAY_MS)
}

/** Differs from month to month and from week to week: a ranking that is over is not written to any more. */
export function boardName({ classId, period }: Board, now: number): string {
  return `${classId ?? 'school'}:${period}:${periodStart(period, now).getTime()}`
}
