import type { Executed } from '../pool/pooled-connection.ts'
import { planInNotice } from './auto-explain.ts'

export interface SlowQuery {
  readonly fingerprint: string
  readonly durationMs: number
  readonly acquireMs: number
  readonly requestId: string | undefined
  /** The plan that was used, where the server told it in passing; otherwise one that it would use; null for neither. */
  readonly plan: string | null
}

export interface SlowQueriesDeps {
  /** The plan of a statement that is not run for it. Rejects where there is none. */
  readonly explain: (execution: Executed) => Promise<string>
  readonly detach: (work: () => Promise<void>) => void
  readonly report: (slow: SlowQuery) => void
}

/** Shapes that were reported and are remembered, so that each is reported once. */
const MOST_REPORTED = 1_000

/** Reports each slow shape once, with a plan and without its literals. */
export class SlowQueries {
  readonly #deps: SlowQueriesDeps
  readonly #afterMs: number
  readonly #reported = new Set<string>()

  constructor(deps: SlowQueriesDeps, afterMs: number) {
    this.#deps = deps
    this.#afterMs = afterMs
  }

  executed(execution: Executed): void {
    const { call, executeMs, notices } = execution
    const { fingerprint, kind } = call.analysis
    if (executeMs < this.#afterMs || this.#reported.has(fingerprint) || this.#reported.size >= MOST_REPORTED) return
    this.#reported.add(fingerprint)
    const { acquireMs, context } = call
    const slow = { fingerprint, durationMs: executeMs, acquireMs, requestId: context?.requestId }
    const told = notices.map(planInNotice).find((plan) => plan !== null)
    if (told !== undefined) return this.#deps.report({ ...slow, plan: told })
    this.#deps.detach(async () => {
      const isExplainable = kind === 'read' || kind === 'write'
      const plan = isExplainable ? await this.#deps.explain(execution).catch(() => null) : null
      this.#deps.report({ ...slow, plan })
    })
  }
}
