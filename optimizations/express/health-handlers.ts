import type { Request, RequestHandler } from 'express'
import { describeError } from '#optimizations/kernel/errors.ts'
import type { HealthStatus } from '#optimizations/kernel/health.ts'
import type { Drain } from './drain.ts'
import { SHUTTING_DOWN, statusOfHealth } from './readiness.ts'

/** As `health` of `startOptimizations` answers it. */
export interface ReportedHealth {
  readonly status: HealthStatus
  readonly reasons: readonly string[]
}

export interface HealthHandlersOptions {
  /** Of what the application stands on. */
  readonly health: () => Promise<ReportedHealth>
  readonly drain: Pick<Drain, 'draining'>
  /** Who is shown more than the status: reasons name addresses. By default nobody. */
  readonly mayInspect?: (request: Request) => boolean
}

export interface HealthHandlers {
  /** 200 as long as the process answers. It asks nobody, or the outage of a service would get every process restarted. */
  readonly live: RequestHandler
  /** 200 while requests may come; 503 where something is unhealthy, and from the beginning of a drain. */
  readonly ready: RequestHandler
}

async function ask({ health, drain }: HealthHandlersOptions): Promise<ReportedHealth> {
  if (drain.draining) return SHUTTING_DOWN
  try {
    return await health()
  } catch (error) {
    return { status: 'unhealthy', reasons: [describeError(error)] }
  }
}

/** What a balancer asks, to be put where it asks: `app.get('/health/ready', health.ready)`. */
export function createHealthHandlers(options: HealthHandlersOptions): HealthHandlers {
  const { mayInspect = () => false } = options
  return {
    live: (_request, response) => {
      response.setHeader('cache-control', 'no-store')
      response.json({ status: 'healthy' })
    },
    ready: async (request, response, next) => {
      const health = await ask(options)
      try {
        const shown = mayInspect(request) ? health : { status: health.status }
        if (response.headersSent) return
        response.setHeader('cache-control', 'no-store')
        response.status(statusOfHealth(health.status)).json(shown)
      } catch (error) {
        next(error)
      }
    },
  }
}
