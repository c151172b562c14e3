import type { RequestContext } from '../request-context.ts'
import type { SqlAnalysis } from '../statements/sql-analysis.ts'

export interface RepeatedQuery {
  readonly fingerprint: string
  readonly requestId: string | undefined
  /** Where the repeated query was asked for, innermost first. */
  readonly callSite: string
}

const MOST_REPORTED = 1_000

/**
 * The N+1 problem: one request that asks the same shape again and again. Reported once for each shape, when a request
 * asks it for the `threshold`-th time; only then is the stack read, since reading it is what costs.
 */
export class RepeatedQueries {
  readonly #threshold: number
  readonly #report: (found: RepeatedQuery) => void
  readonly #reported = new Set<string>()

  constructor(threshold: number, report: (found: RepeatedQuery) => void) {
    this.#threshold = threshold
    this.#report = report
  }

  count(context: RequestContext | null, { kind, fingerprint }: SqlAnalysis): void {
    if (context === null || kind !== 'read') return
    context.fingerprints ??= new Map()
    const count = (context.fingerprints.get(fingerprint) ?? 0) + 1
    context.fingerprints.set(fingerprint, count)
    const isKnown = this.#reported.has(fingerprint) || this.#reported.size >= MOST_REPORTED
    if (count !== this.#threshold || isKnown) return
    this.#reported.add(fingerprint)
    this.#report({ fingerprint, requestId: context.requestId, callSite: callSite() })
  }
}

/** The stack without this module and without libraries: what is left is the application's. */
function callSite(): string {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 50
  const { stack = '' } = new Error('here')
  Error.stackTraceLimit = stackTraceLimit
  const frames = stack.split('\n').slice(1)
  const own = frames.filter((frame) => !/node_modules|node:|optimizations\/database/.test(frame))
  return own.map((frame) => frame.trim()).join('\n')
}
