import type { DatabaseEvents } from '#optimizations/database/database-events.ts'
import type { Leak } from '#optimizations/database/pool/connection-pool.ts'
import type { RepeatedQuery } from '#optimizations/database/statistics/repeated-queries.ts'
import type { SlowQuery } from '#optimizations/database/statistics/slow-queries.ts'

/** What the database has found out by itself: nobody's error, and somebody's work. */
export type DatabaseFinding =
  | { readonly kind: 'slow_query'; readonly found: SlowQuery }
  | { readonly kind: 'repeated_query'; readonly found: RepeatedQuery }
  | { readonly kind: 'leak'; readonly found: Leak }
  | { readonly kind: 'transaction_retry'; readonly found: { readonly error: unknown; readonly attempt: number } }

export type FindingCounts = Readonly<Record<DatabaseFinding['kind'], number>>

export interface FindingsDeps {
  readonly onFinding?: ((finding: DatabaseFinding) => void) | undefined
  readonly onError: (reason: string, error: unknown) => void
}

/** Counts the findings, and hands each on. */
export class DatabaseFindings {
  readonly counts = { slow_query: 0, repeated_query: 0, leak: 0, transaction_retry: 0 } satisfies FindingCounts
  readonly events: DatabaseEvents

  constructor({ onFinding, onError }: FindingsDeps) {
    const add = (finding: DatabaseFinding): void => {
      this.counts[finding.kind] += 1
      onFinding?.(finding)
    }
    this.events = {
      slowQuery: (found) => add({ kind: 'slow_query', found }),
      repeatedQuery: (found) => add({ kind: 'repeated_query', found }),
      leak: (found) => add({ kind: 'leak', found }),
      transactionRetry: (error, attempt) => add({ kind: 'transaction_retry', found: { error, attempt } }),
      backgroundError: onError,
    }
  }
}
