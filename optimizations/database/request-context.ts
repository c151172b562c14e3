import type { ReadDependencies } from './results/read-dependencies.ts'
import type { CacheReads, ForkOptions } from './database.ts'

/**
 * What travels with the statements of one request. A class and not a plain object, because the ORM copies plain
 * objects of its logger context deeply, and everybody of a request must count in the same one.
 */
export class RequestContext {
  readonly signal: AbortSignal | undefined
  readonly deadlineAt: number | undefined
  readonly requestId: string | undefined
  readonly cache: CacheReads
  readonly mayUseReplica: boolean
  /** Part of the key of cached rows. */
  readonly scope: string
  /** Set where somebody wants to know what is read. */
  dependencies: ReadDependencies | undefined
  /** How often each fingerprint ran; made when the first is counted. */
  fingerprints: Map<string, number> | undefined

  constructor(options: ForkOptions) {
    this.signal = options.signal
    this.deadlineAt = options.deadlineAt
    this.requestId = options.requestId
    this.cache = options.cache ?? false
    this.mayUseReplica = options.replica ?? false
    this.scope = options.context ?? ''
  }
}
