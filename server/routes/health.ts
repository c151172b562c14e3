import { z } from 'zod'
import type { ApiRouter } from '#server/http/api-router.ts'
import type { InspectionAccess } from '#server/http/inspection-access.ts'
import { defineOperation } from '#server/http/operation.ts'
import type { RequestMetrics } from '#optimizations/express/request-metrics.ts'
import { ExplainedReadiness, Liveness, PerformanceHealth, Readiness } from '#server/schemas/health.ts'
import { SHUTTING_DOWN, statusOfHealth } from '#optimizations/express/readiness.ts'
import { perService } from '#optimizations/manager/service-name.ts'
import type { Optimizations, OptimizationsHealth } from '#optimizations/manager/optimizations.ts'

const live = defineOperation({
  method: 'get',
  path: '/live',
  summary: 'The process answers',
  isVolatile: true,
  reply: Liveness,
})

const ready = defineOperation({
  method: 'get',
  path: '/ready',
  summary: 'Requests may come; with reasons for whoever may inspect the server',
  isVolatile: true,
  reply: z.union([ExplainedReadiness, Readiness]),
})

const performance = defineOperation({
  method: 'get',
  path: '/performance',
  summary: 'How well each service does its work: the start, live probes, and what was counted',
  isVolatile: true,
  reply: PerformanceHealth,
})

function explain({ status, reasons, services }: OptimizationsHealth): z.infer<typeof ExplainedReadiness> {
  const shown = perService((name) => {
    const { details: _left, ...health } = services[name]
    return health
  })
  return { status, reasons, services: shown }
}

/** `/health`. Live and ready are for everybody, and say no more than a load balancer needs. */
export function healthRoutes(
  api: ApiRouter,
  deps: {
    readonly optimizations: Pick<Optimizations, 'health' | 'metrics' | 'status'>
    readonly requestMetrics: Pick<RequestMetrics, 'snapshot'>
    readonly isDraining: () => boolean
    readonly access: InspectionAccess
  },
): void {
  const { optimizations, requestMetrics, isDraining, access } = deps

  // It asks nothing of its services, or their outage would get every process restarted.
  api.serveOpen(live, () => ({ status: 'healthy' as const }))

  api.serveOpen(ready, async ({ request, response }) => {
    if (isDraining()) {
      response.status(statusOfHealth(SHUTTING_DOWN.status))
      return SHUTTING_DOWN
    }
    const health = await optimizations.health()
    response.status(statusOfHealth(health.status))
    if (access.mayInspect(request)) return explain(health)
    return { status: health.status, services: perService((name) => ({ status: health.services[name].status })) }
  })

  api.serveOpen(performance, async ({ request, response }) => {
    access.requireInspector(request)
    const { status, reasons, services } = await optimizations.health()
    const { optimizationEnabled, timestamp, process } = optimizations.metrics()
    const { routes: _all, ...requests } = requestMetrics.snapshot()
    response.status(statusOfHealth(status))
    const counted = { optimizationEnabled, start: optimizations.status(), requests, process, timestamp }
    return { status, reasons, services, ...counted }
  })
}
