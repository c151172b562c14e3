import type { Clock } from '#optimizations/kernel/clock.ts'
import { isConnectionLoss, sqlStateOf } from './errors.ts'
import type { ConnectionPool } from './pool/connection-pool.ts'
import type { PooledConnection } from './pool/pooled-connection.ts'
import type { ReadLanes } from './pool/read-lanes.ts'
import type { Answer } from './pool/wire-query.ts'
import type { StatementCall } from './statements/statement-call.ts'

export interface QueryRunnerDeps {
  readonly clock: Clock
  readonly pool: ConnectionPool
  readonly lanes: ReadLanes
  /** A replica's pool that may answer this call; null for the primary. */
  readonly replicaFor: (call: StatementCall) => ConnectionPool | null
  readonly recentMs: (call: StatementCall) => number
  /** Whether running it twice is the same as once. */
  readonly isRepeatable: (call: StatementCall) => boolean
}

/** A table changed under a plan that was made for `select *`; a statement that the server does not have any more. */
const STALE_PLAN = '0A000'
const LOST_STATEMENT = '26000'
const MOST_ATTEMPTS = 3

/** Runs single statements outside of transactions: borrows a connection, gives it back, and mends what can be. */
export class QueryRunner {
  readonly #deps: QueryRunnerDeps

  constructor(deps: QueryRunnerDeps) {
    this.#deps = deps
  }

  async run(call: StatementCall): Promise<Answer> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#once(call, attempt === 1)
      } catch (error) {
        if (attempt >= MOST_ATTEMPTS || !this.#isWorthRepeating(call, error)) throw error
      }
    }
  }

  /** The second try is the primary's pool: what failed may have been the replica or the lane. */
  async #once(call: StatementCall, isFirst: boolean): Promise<Answer> {
    const replica = isFirst ? this.#deps.replicaFor(call) : null
    const lane = isFirst && replica === null ? this.#lane(call) : null
    return await (lane ?? this.#borrow(call, replica ?? this.#deps.pool))
  }

  /** A statement with a time limit or a caller who may leave needs a connection that can be cancelled. */
  #lane(call: StatementCall): Promise<Answer> | null {
    const { statement, context } = call
    const isCancellable = context?.signal !== undefined || context?.deadlineAt !== undefined
    if (statement.name === null || isCancellable || !this.#deps.isRepeatable(call)) return null
    return this.#deps.lanes.take(this.#deps.recentMs(call), async (connection) => await this.#runOn(connection, call))
  }

  async #borrow(call: StatementCall, pool: ConnectionPool): Promise<Answer> {
    const { clock } = this.#deps
    const { context } = call
    const timeoutMs = context?.deadlineAt === undefined ? undefined : Math.max(0, context.deadlineAt - clock.now())
    const askedAt = clock.monotonic()
    call.wasSent = false
    const connection = await pool.acquire({ signal: context?.signal, timeoutMs, requestId: context?.requestId })
    call.acquireMs = clock.monotonic() - askedAt
    try {
      return await this.#runOn(connection, call)
    } finally {
      pool.release(connection)
    }
  }

  async #runOn(connection: PooledConnection, call: StatementCall): Promise<Answer> {
    try {
      return await connection.run(call)
    } catch (error) {
      if (isStalePlan(error) && call.statement.name !== null) connection.prepared.close(call.statement.name)
      throw error
    }
  }

  #isWorthRepeating(call: StatementCall, error: unknown): boolean {
    if (isStalePlan(error) && call.statement.name !== null) {
      this.#deps.pool.forgetPrepared()
      return true
    }
    return isConnectionLoss(error) && call.context?.signal?.aborted !== true && this.#isSafeAfterLoss(call)
  }

  #isSafeAfterLoss(call: StatementCall): boolean {
    return !call.wasSent || this.#deps.isRepeatable(call)
  }
}

export function isStalePlan(error: unknown): boolean {
  const state = sqlStateOf(error)
  if (state === LOST_STATEMENT) return true
  return state === STALE_PLAN && error instanceof Error && error.message.includes('cached plan')
}
