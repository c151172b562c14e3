import { withDeadline } from '#optimizations/kernel/deadline.ts'
import { describeError } from '#optimizations/kernel/errors.ts'
import { worstStatus, type Health, type HealthStatus } from '#optimizations/kernel/health.ts'
import type { OptimizationsHealth } from './optimizations.ts'
import { SERVICE_NAMES, type PerService, type ServiceName } from './service-name.ts'

/** A service that cannot be asked is as good as gone. */
async function probe(name: ServiceName, ask: () => Promise<Health>, timeoutMs: number): Promise<Health> {
  try {
    return await withDeadline(`the health probe of ${name}`, timeoutMs, ask())
  } catch (error) {
    return { status: 'unhealthy', reasons: [describeError(error)] }
  }
}

/** How bad the state of one service is for the whole: everything needs the database, and nothing fails without the others. */
function weigh(name: ServiceName, status: HealthStatus): HealthStatus {
  return status === 'unhealthy' && name !== 'database' ? 'degraded' : status
}

/** Asks all services that there are at once, each under the same time limit. */
export async function combineHealth(
  probes: Partial<PerService<() => Promise<Health>>>,
  timeoutMs: number,
): Promise<OptimizationsHealth> {
  const answers = await Promise.all(
    SERVICE_NAMES.flatMap((name) => {
      const ask = probes[name]
      return ask === undefined ? [] : [probe(name, ask, timeoutMs).then((health) => ({ name, health }))]
    }),
  )
  const services = Object.fromEntries(
    // A service may answer with more than the whole has a use for.
    answers.map(({ name, health: { status, reasons, roundTripMs, details } }) => [
      name,
      {
        status,
        reasons,
        ...(roundTripMs === undefined ? {} : { roundTripMs }),
        ...(details === undefined ? {} : { details }),
      },
    ]),
  ) as OptimizationsHealth['services']
  return {
    status: worstStatus(answers.map(({ name, health }) => weigh(name, health.status))),
    reasons: answers.flatMap(({ name, health }) => health.reasons.map((reason) => `${name}: ${reason}`)),
    services,
  }
}
