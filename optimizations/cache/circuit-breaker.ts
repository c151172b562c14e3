/** closed: all pass. open: none. probing: one probe decides, nobody else passes. */
export type BreakerState = 'closed' | 'open' | 'probing'

/**
 * Cuts off a store that fails. It does not open again by time: a probe beside the traffic does that, so that no caller
 * pays for finding out.
 */
export class CircuitBreaker {
  readonly #failureThreshold: number
  #failures = 0
  #trips = 0
  #state: BreakerState = 'closed'

  constructor(failureThreshold: number) {
    this.#failureThreshold = failureThreshold
  }

  get state(): BreakerState {
    return this.#state
  }

  get isClosed(): boolean {
    return this.#state === 'closed'
  }

  succeeded(): void {
    this.#failures = 0
  }

  failed(): void {
    this.#failures += 1
    if (this.#failures >= this.#failureThreshold) this.trip()
  }

  /** Opens at once: what the store holds cannot be trusted before the probe has put it right. */
  trip(): void {
    this.#trips += 1
    if (this.#state === 'closed') this.#state = 'open'
  }

  /** Closes if `work` succeeds, and rethrows what it fails with. A breaker that is tripped meanwhile stays open. */
  async probe(work: () => Promise<void>): Promise<void> {
    const trips = this.#trips
    this.#state = 'probing'
    let next: BreakerState = 'open'
    try {
      await work()
      this.#failures = 0
      if (trips === this.#trips) next = 'closed'
    } finally {
      this.#state = next
    }
  }
}
