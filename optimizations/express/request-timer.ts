import type { Phase, PhaseTimer } from '#optimizations/manager/phase-timer.ts'

/** Where the time of one request went. A phase counts once however many of its parts are under way together. */
export class RequestTimer implements PhaseTimer {
  readonly #startedAt = performance.now()
  readonly #phases: Record<Phase, { open: number; since: number; totalMs: number }> = {
    cache: { open: 0, since: 0, totalMs: 0 },
    db: { open: 0, since: 0, totalMs: 0 },
  }

  enter(phase: Phase): void {
    const its = this.#phases[phase]
    if (its.open === 0) its.since = performance.now()
    its.open += 1
  }

  leave(phase: Phase): void {
    const its = this.#phases[phase]
    its.open -= 1
    if (its.open === 0) its.totalMs += performance.now() - its.since
  }

  get totalMs(): number {
    return performance.now() - this.#startedAt
  }

  phaseMs(phase: Phase): number {
    const { open, since, totalMs } = this.#phases[phase]
    return open === 0 ? totalMs : totalMs + performance.now() - since
  }

  /** The value of `Server-Timing` (W3C), in milliseconds. */
  toString(): string {
    const { cache, db } = { cache: this.phaseMs('cache'), db: this.phaseMs('db') }
    return `cache;dur=${cache.toFixed(2)}, db;dur=${db.toFixed(2)}, total;dur=${this.totalMs.toFixed(2)}`
  }
}
