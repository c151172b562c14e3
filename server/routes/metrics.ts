import { Router, type RequestHandler } from 'express'
import { Registry } from 'prom-client'
import { refuseOtherMethods } from '#server/http/method-not-allowed.ts'
import type { RateLimiter } from '#server/http/rate-limit/rate-limiter.ts'
import type { RequestMetrics } from '#server/http/request-metrics.ts'
import type { Optimizations } from '#optimizations/manager/optimizations.ts'

/** `/metrics`: everything that is counted, for people and programs as JSON, for Prometheus as text. */
export function metricsRoutes(deps: {
  readonly optimizations: Pick<Optimizations, 'metrics' | 'prometheus' | 'status'>
  readonly requestMetrics: Pick<RequestMetrics, 'registry' | 'snapshot'>
  readonly rateLimiters: readonly RateLimiter[]
  readonly guard: RequestHandler
}): Router {
  const { optimizations, requestMetrics, rateLimiters } = deps
  const router = Router()
  router.use(deps.guard)

  router.get('/performance', (_request, response) => {
    const rateLimits = Object.fromEntries(rateLimiters.map((limiter) => [limiter.name, limiter.statistics()]))
    response.setHeader('cache-control', 'no-store')
    response.json({
      ...optimizations.metrics(),
      start: optimizations.status(),
      requests: requestMetrics.snapshot(),
      rateLimits,
    })
  })

  router.get('/', async (_request, response) => {
    const texts = await Promise.all([optimizations.prometheus(), requestMetrics.registry.metrics()])
    response.type(Registry.PROMETHEUS_CONTENT_TYPE).send(texts.join('\n'))
  })

  refuseOtherMethods(router)
  return router
}
