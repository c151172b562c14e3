import express, { Router, type Express } from 'express'
import helmet from 'helmet'
import type { Logger } from 'pino'
import { clientAddress } from '#optimizations/express/client-address.ts'
import type { Drain } from '#optimizations/express/drain.ts'
import { createRateLimit } from '#optimizations/express/rate-limit/rate-limit.ts'
import { createRequestContext } from '#optimizations/express/request-context.ts'
import { RequestMetrics } from '#optimizations/express/request-metrics.ts'
import type { CurrentRequest } from '#optimizations/manager/current-request.ts'
import type { Optimizations } from '#optimizations/manager/optimizations.ts'
import type { WarmingPlan } from '#optimizations/manager/warm.ts'
import { createAuthenticate, principalOf, type AccessTokens } from '#server/http/access-token.ts'
import { ApiRouter } from '#server/http/api-router.ts'
import { checkRequestHead } from '#server/http/check-request-head.ts'
import { createCors } from '#server/http/cors.ts'
import { createInspectionAccess, type InspectionOptions } from '#server/http/inspection-access.ts'
import { answerGivenUp, createErrorHandler, refuseUnknownRoute } from '#server/http/error-handler.ts'
import type { BodyAllowance } from '#server/http/rate-limit/body-allowance.ts'
import type { RateLimits } from '#server/http/rate-limit/rate-limits.ts'
import { createRequestLog } from '#server/http/request-log.ts'
import { refuseUnencodedReplies } from '#server/http/send-reply.ts'
import { answerServerOptions } from '#server/http/server-options.ts'
import type { SignInGuard } from '#server/http/sign-in/sign-in-guard.ts'
import { urlHost } from '#optimizations/pusher/pusher-app.ts'
import { adminRoutes } from '#server/routes/admin.ts'
import { deadLetterRoutes } from '#server/routes/dead-letters.ts'
import { assessmentRoutes } from '#server/routes/assessments.ts'
import { authRoutes } from '#server/routes/auth.ts'
import { classRoutes } from '#server/routes/classes.ts'
import { contentRoutes } from '#server/routes/content.ts'
import { dashboardRoutes } from '#server/routes/dashboard.ts'
import { healthRoutes } from '#server/routes/health.ts'
import { leaderboardRoutes } from '#server/routes/leaderboard.ts'
import { lessonRoutes } from '#server/routes/lessons.ts'
import { metricsRoutes } from '#server/routes/metrics.ts'
import { notificationRoutes } from '#server/routes/notifications.ts'
import { openApiRoutes } from '#server/routes/openapi.ts'
import { pageRoutes, type PublicPusherApp } from '#server/routes/pages.ts'
import { realtimeRoutes } from '#server/routes/realtime.ts'
import type { ReplyEncoder } from '#server/services/reply-encoder.ts'
import type { Services } from '#server/services/services.ts'

export interface AppDeps {
  readonly logger: Logger
  readonly tokens: AccessTokens
  readonly optimizations: Pick<
    Optimizations,
    'cache' | 'database' | 'health' | 'metrics' | 'prometheus' | 'status' | 'warm'
  >
  readonly warmingPlan: WarmingPlan
  readonly services: Services
  readonly replies: ReplyEncoder
  readonly drain: Pick<Drain, 'draining' | 'middleware'>
  readonly requests: CurrentRequest
  readonly limits: RateLimits
  readonly guard: SignInGuard
  readonly bodies: BodyAllowance | undefined
}

export interface AppOptions {
  readonly bodyLimitBytes: number
  readonly requestTimeoutMs: number
  readonly trustedProxies: number
  readonly corsOrigins: readonly string[]
  readonly inspection: InspectionOptions
  readonly pusher: PublicPusherApp
}

const API_ROOT = '/api/v1'

/** What the page may load and connect to: itself, and Pusher's WebSocket. */
function contentSecurityPolicy({ pusher }: AppOptions): Record<string, string[]> {
  const host = urlHost(pusher.host ?? `ws-${pusher.cluster}.pusher.com`)
  const socket = `${pusher.useTls ? 'wss' : 'ws'}://${host}${pusher.port === undefined ? '' : `:${pusher.port}`}`
  return { 'default-src': ["'self'"], 'connect-src': ["'self'", socket], 'frame-ancestors': ["'none'"] }
}

/** Every operation of the API, from the routes that are made of them. */
function addApi(api: ApiRouter, deps: AppDeps): void {
  const { services, tokens, replies, optimizations, warmingPlan, limits, guard } = deps
  authRoutes(api, { ...services, tokens, guard })
  classRoutes(api, services)
  lessonRoutes(api, services)
  assessmentRoutes(api, services)
  leaderboardRoutes(api, services)
  contentRoutes(api, services)
  dashboardRoutes(api, services)
  notificationRoutes(api, services)
  realtimeRoutes(api, { ...services, limits })
  adminRoutes(api, { cache: optimizations.cache, warm: () => optimizations.warm(warmingPlan) })
  deadLetterRoutes(api, optimizations.database.outbox.deadLetters)
  openApiRoutes(api, { root: '../v1', replies })
}

/** Everything that is served, by the path below which it is. */
export type Surface = Readonly<Record<'/health' | '/metrics' | typeof API_ROOT | '/', ApiRouter>>

export function createSurface(deps: AppDeps, options: AppOptions, requestMetrics: RequestMetrics): Surface {
  const { bodyLimitBytes, inspection, pusher } = options
  const { replies, limits, guard, bodies, optimizations, drain } = deps
  const create = (): ApiRouter => new ApiRouter({ bodyLimitBytes, bodies, replies })
  const surface = { '/health': create(), '/metrics': create(), [API_ROOT]: create(), '/': create() } as const
  const access = createInspectionAccess(inspection)
  healthRoutes(surface['/health'], { optimizations, requestMetrics, access, isDraining: () => drain.draining })
  const rateLimiters = [...Object.values(limits), ...guard.limiters, ...(bodies === undefined ? [] : [bodies])]
  metricsRoutes(surface['/metrics'], { optimizations, requestMetrics, access, rateLimiters })
  addApi(surface[API_ROOT], deps)
  pageRoutes(surface['/'], { pusher })
  return surface
}

/** The whole application, put together. Opens nothing and reads no environment: `main.ts` does. */
export function createApp(deps: AppDeps, options: AppOptions): Express {
  const app = express()
  app.disable('x-powered-by')
  app.set('trust proxy', options.trustedProxies)
  refuseUnencodedReplies(app)
  const requestMetrics = new RequestMetrics(app)
  const surface = createSurface(deps, options, requestMetrics)

  app.use(requestMetrics.middleware)
  app.use(
    createRequestContext({
      timeoutMs: options.requestTimeoutMs,
      currentRequest: deps.requests,
      answer: answerGivenUp,
    }),
  )
  app.use(createRequestLog(deps.logger))
  app.use(helmet({ contentSecurityPolicy: { useDefaults: false, directives: contentSecurityPolicy(options) } }))
  app.use(createCors(options.corsOrigins))
  app.use(deps.drain.middleware)
  app.use(checkRequestHead)
  app.use(answerServerOptions)
  app.use('/health', surface['/health'].routers().open)
  app.use('/metrics', surface['/metrics'].routers().open)

  const { open, authenticated } = surface[API_ROOT].routers()
  const router = Router()
  router.use(createRateLimit(deps.limits.perAddress, clientAddress))
  router.use(open)
  router.use(createAuthenticate(deps.tokens))
  router.use(createRateLimit(deps.limits.perUser, (_request, response) => principalOf(response).id))
  router.use(authenticated)
  app.use(API_ROOT, router)

  app.use(surface['/'].routers().open)
  app.use(refuseUnknownRoute)
  app.use(createErrorHandler(deps.logger))
  return app
}
