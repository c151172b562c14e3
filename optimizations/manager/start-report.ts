import type { PerService, ServiceName } from './service-name.ts'

/**
 * not_initialized: not started, or still at it. initialized: started, and its service answered. degraded: started, and
 * its service did not answer well. failed: not started; all but the database are tried again in the background.
 */
export type ServiceState = 'not_initialized' | 'initialized' | 'degraded' | 'failed'

export interface ServiceStatus {
  readonly status: ServiceState
  /** What is wrong; null when nothing is. */
  readonly error: string | null
  /** How long the latest attempt took. */
  readonly durationMs: number
  readonly attempts: number
}

/** completed: all that there are are initialized. failed: the database is not there. partial: anything in between. */
export type StartOutcome = 'completed' | 'partial' | 'failed'

export interface OptimizationsStatus<Name extends ServiceName = ServiceName> {
  /** null before the end of the first start. */
  readonly status: StartOutcome | null
  readonly durationMs: number
  readonly successfulServices: number
  readonly degradedServices: number
  readonly failedServices: number
  readonly services: PerService<ServiceStatus, Name>
  /** When the start ended, in ISO 8601; null before. */
  readonly initializationTime: string | null
}

export interface StartTimes {
  readonly durationMs: number
  readonly endedAt: number | null
}

export function outcomeOf(services: Partial<PerService<ServiceStatus>>): StartOutcome {
  const { database } = services
  if (database?.status === 'failed' || database?.status === 'not_initialized') return 'failed'
  return Object.values(services).every(({ status }) => status === 'initialized') ? 'completed' : 'partial'
}

export function summarize(services: PerService<ServiceStatus>, times: StartTimes): OptimizationsStatus {
  const count = (state: ServiceState): number => Object.values(services).filter(({ status }) => status === state).length
  return {
    status: times.endedAt === null ? null : outcomeOf(services),
    durationMs: times.durationMs,
    successfulServices: count('initialized'),
    degradedServices: count('degraded'),
    failedServices: count('failed'),
    services,
    initializationTime: times.endedAt === null ? null : new Date(times.endedAt).toISOString(),
  }
}
