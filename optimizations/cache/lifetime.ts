import type { Random } from '#optimizations/kernel/random.ts'
import type { ResolvedEntryOptions } from './entry-options.ts'

export interface Lifetime {
  readonly freshMs: number
  /** Fresh and stale time together: as long as the entry exists at all. */
  readonly totalMs: number
}

/** How long a value is kept: shortened by chance, so that entries that were stored together do not end together. */
export function lifetimeOf(value: unknown, options: ResolvedEntryOptions, random: Random, ownTtlMs?: number): Lifetime {
  const ttlMs = ownTtlMs ?? (value === null ? options.negativeTtlMs : options.ttlMs)
  const freshMs = Math.max(1, Math.round(ttlMs * (1 - options.jitter * random())))
  return { freshMs, totalMs: freshMs + Math.round(options.staleMs) }
}

/**
 * When a copy begins to be refreshed before its end: XFetch (A. Vattani, F. Chierichetti and K. Lowenstein, "Optimal
 * probabilistic cache stampede prevention", VLDB 2015): `end - loadMs × beta × -ln(random)`. The draw is made once for
 * each copy instead of at each hit, so that a hit compares two numbers only.
 */
export function refreshFrom(freshUntil: number, loadMs: number, beta: number, random: Random): number {
  // 1 - random is in (0, 1], so the logarithm is finite.
  return beta === 0 ? freshUntil : freshUntil + loadMs * beta * Math.log(1 - random())
}
