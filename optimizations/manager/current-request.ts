import { AsyncLocalStorage } from 'node:async_hooks'
import type { PhaseTimer } from './phase-timer.ts'

/** One request, as far as cache and database need to know it. */
export interface RequestScope {
  /** Shown with slow queries, leaks and N+1 reports. */
  readonly requestId?: string
  /** Aborted when nobody waits for the reply any more: ends the waits, and cancels what runs on the server. */
  readonly signal?: AbortSignal
  /** When the request's time is over, in epoch milliseconds: becomes the statement timeout. */
  readonly deadlineAt?: number
  readonly timer?: PhaseTimer
}

/**
 * On whose behalf code is running, however deep, so that no statement can be sent without its request's signal because
 * somebody forgot to hand it on. Detached work (`BackgroundTasks`) belongs to no request.
 */
export class CurrentRequest {
  readonly #scopes = new AsyncLocalStorage<RequestScope>()

  run<T>(scope: RequestScope, work: () => T): T {
    return this.#scopes.run(scope, work)
  }

  /** undefined for work that belongs to no request. */
  get scope(): RequestScope | undefined {
    return this.#scopes.getStore()
  }

  /** What the database is told of the current request. */
  get asker(): Pick<RequestScope, 'requestId' | 'signal' | 'deadlineAt'> {
    const { timer: _own, ...asker } = this.scope ?? {}
    return asker
  }
}
