import type { Clock } from '#optimizations/kernel/clock.ts'

/** Turns of this process alone, for when there is no store, or none that answers. See LeaderboardStore.takeTurn. */
export class LocalTurns {
  readonly #clock: Clock
  readonly #last = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  take(topic: string, intervalMs: number): number | null {
    const now = this.#clock.now()
    for (const [name, at] of this.#last) if (at + intervalMs < now) this.#last.delete(name)
    const last = this.#last.get(topic) ?? 0
    if (last > now) return null
    const at = Math.max(now, last + intervalMs)
    this.#last.set(topic, at)
    return at - now
  }
}
