import { perService, SERVICE_NAMES, type PerService, type ServiceName } from './service-name.ts'

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

/** completed: all three are initialized. failed: the database is not there. partial: anything in between. */
export type StartOutcome = 'completed' | 'partial' | 'failed'

export interface OptimizationsStatus {
  /** null before the end of the first start. */
  readonly status: StartOutcome | null
  readonly durationMs: number
  readonly successfulServices: number
  readonly degradedServices: number
  readonly failedServices: number
  readonly services: PerService<ServiceStatus>
  /** When the start ended, in ISO 8601; null before. */
  readonly initializationTime: string | null
}

export interface StartTimes {
  readonly durationMs: number
  readonly endedAt: number | null
}

export function outcomeOf(services: PerService<ServiceStatus>): StartOutcome {
  if (services.database.status === 'failed' || services.database.status === 'not_initialized') return 'failed'
  return SERVICE_NAMES.every((name) => services[name].status === 'initialized') ? 'completed' : 'partial'
}

export function summarize(statusOf: (name: ServiceName) => ServiceStatus, times: StartTimes): OptimizationsStatus {
  const services = perService(statusOf)
  const count = (state: ServiceState): number => SERVICE_NAMES.filter((name) => services[name].status === state).length
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
