import express, { Router, type Express } from 'express'
import helmet from 'helmet'
import type { Logger } from 'pino'
import type { Optimizations } from '#optimizations/manager/optimizations.ts'
import type { ChannelAuthorizer } from '#optimizations/pusher/channel-authorization.ts'
import { createAuthenticate, type AccessTokens } from '#server/http/access-token.ts'
import { createErrorHandler, refuseUnknownRoute } from '#server/http/error-handler.ts'
import { createRequestContext } from '#server/http/request-context.ts'
import { createRequestLog } from '#server/http/request-log.ts'
import { authRoutes } from '#server/routes/auth.ts'
import { healthRoutes } from '#server/routes/health.ts'
import { lessonRoutes } from '#server/routes/lessons.ts'
import { pageRoutes, type PublicPusherApp } from '#server/routes/pages.ts'
import { realtimeRoutes } from '#server/routes/realtime.ts'
import type { Viewer } from '#server/services/class-access.ts'
import type { LessonReader } from '#server/services/lessons.ts'
import type { ProgressService } from '#server/services/progress.ts'
import type { SignInService } from '#server/services/sign-in.ts'

export interface AppDeps {
  readonly logger: Logger
  readonly tokens: AccessTokens
  readonly optimizations: Pick<Optimizations, 'health'>
  readonly channels: ChannelAuthorizer<Viewer>
  readonly signIn: SignInService
  readonly lessons: LessonReader
  readonly progress: ProgressService
  readonly isDraining: () => boolean
}

export interface AppOptions {
  readonly bodyLimitBytes: number
  readonly requestTimeoutMs: number
  readonly pusher: PublicPusherApp
}

/** What the page may load and connect to: itself, and Pusher's WebSocket. */
function contentSecurityPolicy({ pusher }: AppOptions): Record<string, string[]> {
  const host = pusher.host ?? `ws-${pusher.cluster}.pusher.com`
  const socket = `${pusher.useTls ? 'wss' : 'ws'}://${host}${pusher.port === undefined ? '' : `:${pusher.port}`}`
  return { 'default-src': ["'self'"], 'connect-src': ["'self'", socket], 'frame-ancestors': ["'none'"] }
}

/** The whole application, put together. Opens nothing and reads no environment: `main.ts` does. */
export function createApp(deps: AppDeps, options: AppOptions): Express {
  const app = express()
  app.disable('x-powered-by')

  app.use(createRequestContext(options.requestTimeoutMs))
  app.use(createRequestLog(deps.logger))
  app.use('/health', healthRoutes(deps))

  const api = Router()
  api.use(express.json({ limit: options.bodyLimitBytes }))
  api.use('/auth', authRoutes(deps))
  api.use(createAuthenticate(deps.tokens))
  api.use('/lessons', lessonRoutes(deps))
  api.use('/realtime', realtimeRoutes(deps))
  app.use('/api/v1', api)

  app.use(helmet({ contentSecurityPolicy: { useDefaults: false, directives: contentSecurityPolicy(options) } }))
  app.use(pageRoutes(options))
  app.use(refuseUnknownRoute)
  app.use(createErrorHandler(deps.logger))
  return app
}
