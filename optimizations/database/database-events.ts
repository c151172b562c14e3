import type { Leak } from './pool/connection-pool.ts'
import type { RepeatedQuery } from './statistics/repeated-queries.ts'
import type { SlowQuery } from './statistics/slow-queries.ts'

/** What the module has to say of its own accord; a logger listens. None of it is an error of a request. */
export interface DatabaseEvents {
  readonly slowQuery?: (slow: SlowQuery) => void
  /** One request asked the same again and again. */
  readonly repeatedQuery?: (found: RepeatedQuery) => void
  /** A connection is held for longer than anybody should. */
  readonly leak?: (leak: Leak) => void
  readonly transactionRetry?: (error: unknown, attempt: number) => void
  /** Detached work failed; nobody waits for it. */
  readonly backgroundError?: (reason: string, error: unknown) => void
}
