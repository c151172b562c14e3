import { createMetricsHandler } from '#optimizations/express/metrics-handler.ts'
import type { ApiRouter } from '#server/http/api-router.ts'
import type { InspectionAccess } from '#server/http/inspection-access.ts'
import { defineOperation } from '#server/http/operation.ts'
import type { AttemptLimiter } from '#server/http/rate-limit/attempt-limiter.ts'
import type { BodyAllowance } from '#server/http/rate-limit/body-allowance.ts'
import type { RateLimiter } from '#optimizations/express/rate-limit/rate-limiter.ts'
import type { RequestMetrics } from '#optimizations/express/request-metrics.ts'
import { Metrics } from '#server/schemas/metrics.ts'
import type { Optimizations } from '#optimizations/manager/optimizations.ts'

const performance = defineOperation({
  method: 'get',
  path: '/performance',
  summary: 'Everything that is counted',
  isVolatile: true,
  reply: Metrics,
})

/** `/metrics`: everything that is counted, for people and programs as JSON, for Prometheus as text. */
export function metricsRoutes(
  api: ApiRouter,
  deps: {
    readonly optimizations: Pick<Optimizations, 'metrics' | 'prometheus' | 'status'>
    readonly requestMetrics: Pick<RequestMetrics, 'registry' | 'snapshot'>
    readonly rateLimiters: readonly Pick<RateLimiter | AttemptLimiter | BodyAllowance, 'name' | 'statistics'>[]
    readonly access: InspectionAccess
  },
): void {
  const { optimizations, requestMetrics, rateLimiters, access } = deps

  api.serveOpen(performance, ({ request }) => {
    access.requireInspector(request)
    return {
      ...optimizations.metrics(),
      start: optimizations.status(),
      requests: requestMetrics.snapshot(),
      rateLimits: Object.fromEntries(rateLimiters.map((limiter) => [limiter.name, limiter.statistics()])),
    }
  })

  // Text, by families that are declared one by one where they are counted.
  const page = createMetricsHandler([() => optimizations.prometheus(), () => requestMetrics.registry.metrics()])
  api.servePlain('/', (request, response, next) => {
    access.requireInspector(request)
    return page(request, response, next)
  })
}
