/** healthy: all as meant. degraded: it answers, with less than it should have. unhealthy: it does not do its work. */
export type HealthStatus = 'healthy' | 'degraded' | 'unhealthy'

/** The answer of one live probe. `reasons` is empty exactly when the status is healthy. */
export interface Health {
  readonly status: HealthStatus
  readonly reasons: readonly string[]
  /** Round trip of the probe in milliseconds; absent where nothing answered. */
  readonly roundTripMs?: number
  readonly details?: Readonly<Record<string, unknown>>
}

const SEVERITY: Record<HealthStatus, number> = { healthy: 0, degraded: 1, unhealthy: 2 }

export function worstStatus(statuses: Iterable<HealthStatus>): HealthStatus {
  let worst: HealthStatus = 'healthy'
  for (const status of statuses) if (SEVERITY[status] > SEVERITY[worst]) worst = status
  return worst
}
