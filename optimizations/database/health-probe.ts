import type { Clock } from '#optimizations/kernel/clock.ts'
import { withDeadline } from '#optimizations/kernel/deadline.ts'
import { describeError } from '#optimizations/kernel/errors.ts'
import type { DatabaseHealth, DatabaseStats } from './database.ts'
import type { Engine } from './engine.ts'
import type { NotificationListener } from './notification-listener.ts'
import { StatementCall } from './statements/statement-call.ts'

export interface HealthProbeDeps {
  readonly clock: Clock
  readonly engine: Engine
  readonly listener: NotificationListener
  readonly longTransactionMs: number
  readonly stats: () => DatabaseStats
}

const PROBE_TIMEOUT_MS = 2_000

/** One statement that says that the server answers, and what stands in its way. */
const PROBE = `
select coalesce(max(extract(epoch from clock_timestamp() - xact_start)) * 1000, 0)::float8 as longest
from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'`

/** Asks the server now. Unhealthy: it does not answer. Degraded: it answers, and something is not as it should be. */
export async function probeHealth({
  clock,
  engine,
  listener,
  longTransactionMs,
  stats,
}: HealthProbeDeps): Promise<DatabaseHealth> {
  // Before the probe, which has to wait in the same line.
  const { waiting } = stats().connectionPool
  const startedAt = clock.monotonic()
  const probe = await withDeadline('The database probe', PROBE_TIMEOUT_MS, longestTransactionMs(engine)).then(
    (longestMs) => ({ longestMs, failure: null }),
    (error: unknown) => ({ longestMs: 0, failure: describeError(error) }),
  )
  const roundTripMs = clock.monotonic() - startedAt
  const { connectionPool, queryPerformance, preparedStatements } = stats()
  const answer = { connectionPool, queryPerformance, preparedStatements, optimizationEnabled: true }
  if (probe.failure !== null) return { status: 'unhealthy', reasons: [probe.failure], ...answer }
  const reasons: string[] = []
  if (waiting > 0) reasons.push(`${waiting} callers wait for a connection`)
  if (engine.sources.breaker.isOpen) reasons.push('new connections are refused after repeated failures')
  if (!listener.connected) reasons.push('the notification listener is away: results are not cached')
  const { replicas } = engine.sources
  reasons.push(...replicas.complaints)
  if (connectionPool.leaks > 0) reasons.push(`${connectionPool.leaks} connections were held for too long`)
  if (probe.longestMs > longTransactionMs) {
    reasons.push(`a transaction has been open for ${Math.round(probe.longestMs / 1_000)} s`)
  }
  return { status: reasons.length === 0 ? 'healthy' : 'degraded', reasons, roundTripMs, ...answer }
}

async function longestTransactionMs(engine: Engine): Promise<number> {
  const prepared = engine.statements.ofText(PROBE, [], true)
  const { rows } = await engine.run(new StatementCall(prepared.statement, prepared, null))
  return Number(rows[0]?.['longest'] ?? 0)
}
