import type { WriteEffect } from './write-effect.ts'

/** How fast the memory of earlier writes fades, for the write rate of a table. */
const RATE_HALF_LIFE_MS = 60_000

interface TableState {
  lastWrite: number
  /** Writes of late, each weighing less the older it is. */
  recentWrites: number
  at: number
}

/**
 * When each table was last written to, in the order of one counter. What was read after `now()` and before any later
 * write of its tables is current; a read that began before a commit is not, however late it is stored.
 */
export class TableVersions {
  readonly #monotonic: () => number
  readonly #tables = new Map<string, TableState>()
  #sequence = 0
  #everythingWritten = 0

  constructor(monotonic: () => number) {
    this.#monotonic = monotonic
  }

  now(): number {
    return this.#sequence
  }

  written(effect: WriteEffect): void {
    this.#sequence += 1
    if (effect === 'everything') {
      this.#everythingWritten = this.#sequence
      return
    }
    for (const table of effect) {
      const state = this.#faded(table)
      state.lastWrite = this.#sequence
      state.recentWrites += 1
      this.#tables.set(table, state)
    }
  }

  isCurrent(tables: Iterable<string>, since: number): boolean {
    if (this.#everythingWritten > since) return false
    for (const table of tables) if ((this.#tables.get(table)?.lastWrite ?? 0) > since) return false
    return true
  }

  /** Writes per second to the busiest of the tables. */
  writeRate(tables: Iterable<string>): number {
    let most = 0
    for (const table of tables) most = Math.max(most, this.#faded(table).recentWrites)
    return (most * Math.LN2 * 1_000) / RATE_HALF_LIFE_MS
  }

  #faded(table: string): TableState {
    const now = this.#monotonic()
    const state = this.#tables.get(table) ?? { lastWrite: 0, recentWrites: 0, at: now }
    const recentWrites = state.recentWrites * 2 ** ((state.at - now) / RATE_HALF_LIFE_MS)
    return { lastWrite: state.lastWrite, recentWrites, at: now }
  }
}
