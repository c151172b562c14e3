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
/** On a standby, 40001 says that the rows which were read are gone from the primary. */
const REPLAY_CONFLICT = '40001'
const MOST_ATTEMPTS = 3

/** Runs single statements outside of transactions: borrows a connection, gives it back, and mends what can be. */
export class QueryRunner {
  readonly #deps: QueryRunnerDeps

  constructor(deps: QueryRunnerDeps) {
    this.#deps = deps
  }

  async run(call: StatementCall): Promise<Answer> {
    const replica = this.#deps.replicaFor(call)
    const lane = replica === null ? this.#lane(call) : null
    for (let attempt = 1; ; attempt += 1) {
      try {
        if (attempt === 1 && lane !== null) return await lane
        return await this.#borrow(call, attempt === 1 && replica !== null ? replica : this.#deps.pool)
      } catch (error) {
        const isReplicas = attempt === 1 && replica !== null
        if (attempt >= MOST_ATTEMPTS || !this.#isWorthRepeating(call, error, isReplicas)) throw error
      }
    }
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
    const askedAt = clock.monotonic()
    for (let others = pool.max; ; others -= 1) {
      const timeoutMs = context?.deadlineAt === undefined ? undefined : Math.max(0, context.deadlineAt - clock.now())
      call.wasSent = false
      const connection = await pool.acquire({ signal: context?.signal, timeoutMs, requestId: context?.requestId })
      call.acquireMs = clock.monotonic() - askedAt
      try {
        return await this.#runOn(connection, call)
      } catch (error) {
        // Dead before anything was sent: that was no attempt. The pool has one less of these, and opens anew in the end.
        if (call.wasSent || !connection.isLost || others === 0) throw error
      } finally {
        pool.release(connection)
      }
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

  #isWorthRepeating(call: StatementCall, error: unknown, isReplicas: boolean): boolean {
    if (call.context?.signal?.aborted === true) return false
    // Whatever keeps a replica from answering, the primary may answer: also what it cancels for the sake of its replay.
    if (isReplicas && (!call.wasSent || sqlStateOf(error) === REPLAY_CONFLICT)) return true
    if (isStalePlan(error) && call.statement.name !== null) {
      this.#deps.pool.forgetPrepared()
      return true
    }
    return isConnectionLoss(error) && (!call.wasSent || this.#deps.isRepeatable(call))
  }
}

export function isStalePlan(error: unknown): boolean {
  const state = sqlStateOf(error)
  if (state === LOST_STATEMENT) return true
  return state === STALE_PLAN && error instanceof Error && error.message.includes('cached plan')
}
