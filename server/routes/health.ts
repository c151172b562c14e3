import { Router } from 'express'
import { refuseOtherMethods } from '#server/http/method-not-allowed.ts'
import type { Optimizations } from '#optimizations/manager/optimizations.ts'

/** `/health`. Public: it says which service is how, and no address and no secret. */
export function healthRoutes(deps: {
  readonly optimizations: Pick<Optimizations, 'health'>
  readonly isDraining: () => boolean
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
    const health = await deps.optimizations.health()
    response.status(health.status === 'unhealthy' ? 503 : 200).json(health)
  })

  refuseOtherMethods(router)
  return router
}
