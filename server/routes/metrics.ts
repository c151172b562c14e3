import { Registry } from 'prom-client'
import type { ApiRouter } from '#server/http/api-router.ts'
import type { InspectionAccess } from '#server/http/inspection-access.ts'
import { defineOperation } from '#server/http/operation.ts'
import type { AttemptLimiter } from '#server/http/rate-limit/attempt-limiter.ts'
import type { BodyAllowance } from '#server/http/rate-limit/body-allowance.ts'
import type { RateLimiter } from '#server/http/rate-limit/rate-limiter.ts'
import type { RequestMetrics } from '#server/http/request-metrics.ts'
import { sendBody } from '#server/http/send-reply.ts'
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
  api.servePlain('/', async (request, response) => {
    access.requireInspector(request)
    const texts = await Promise.all([optimizations.prometheus(), requestMetrics.registry.metrics()])
    response.setHeader('cache-control', 'no-store')
    sendBody(response, Registry.PROMETHEUS_CONTENT_TYPE, texts.join('\n'))
  })
}
