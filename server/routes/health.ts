import { Router, type RequestHandler } from 'express'
import { refuseOtherMethods } from '#server/http/method-not-allowed.ts'
import type { RequestMetrics } from '#server/http/request-metrics.ts'
import type { HealthStatus } from '#optimizations/kernel/health.ts'
import type { Optimizations } from '#optimizations/manager/optimizations.ts'

const statusCode = (status: HealthStatus): number => (status === 'unhealthy' ? 503 : 200)

/** `/health`. Live and ready are public: they say which service is how, and no address and no secret. */
export function healthRoutes(deps: {
  readonly optimizations: Pick<Optimizations, 'health' | 'metrics' | 'status'>
  readonly requestMetrics: Pick<RequestMetrics, 'snapshot'>
  readonly isDraining: () => boolean
  /** Stands before what tells more than live and ready. */
  readonly guard: RequestHandler
}): Router {
  const router = Router()

  // Live: the process answers. It asks nothing of its services, or their outage would get every process restarted.
  router.get('/live', (_request, response) => {
    response.json({ status: 'healthy' })
  })

  // Ready: requests may come. A degraded service does not take the process out, an unhealthy one does.
  router.get('/ready', async (_request, response) => {
    if (deps.isDraining()) {
      response.status(503).json({ status: 'unhealthy', reasons: ['the process is shutting down'] })
      return
    }
    const { status, reasons, services } = await deps.optimizations.health()
    const shown = Object.fromEntries(
      Object.entries(services).map(([name, { details: _left, ...health }]) => [name, health]),
    )
    response.status(statusCode(status)).json({ status, reasons, services: shown })
  })

  // Performance: how well each does its work, in the words of the start, of live probes and of counters.
  router.get('/performance', deps.guard, async (_request, response) => {
    const { optimizations, requestMetrics } = deps
    const health = await optimizations.health()
    const { optimizationEnabled, timestamp, process } = optimizations.metrics()
    const { routes: _all, ...requests } = requestMetrics.snapshot()
    response
      .status(statusCode(health.status))
      .json({ ...health, optimizationEnabled, start: optimizations.status(), requests, process, timestamp })
  })

  refuseOtherMethods(router)
  return router
}
