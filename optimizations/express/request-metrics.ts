import type { Express, RequestHandler } from 'express'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { LatencyHistogram, type HistogramSnapshot } from '#optimizations/kernel/histogram.ts'
import { HTTP_METHODS } from './http-methods.ts'
import { rememberRoutes, routeTemplateOf } from './route-template.ts'

/** Seconds. Dense around the targets of 150 and 200 ms. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5, 5, 10]
/** Label of what no route took: files, unknown paths, and what was refused before routing. */
const NO_ROUTE = 'none'

export interface RouteStatistics extends HistogramSnapshot {
  readonly method: string
  readonly route: string
  /** Replies with a status of 500 or more. */
  readonly errors: number
  /** Replies with a status from 400 to 499. */
  readonly refusals: number
}

export interface RequestStatistics {
  readonly requests: number
  readonly errors: number
  readonly refusals: number
  /** Requests whose client went away before the reply was out. */
  readonly aborted: number
  readonly inFlight: number
  readonly latency: HistogramSnapshot
  /** Those with the most requests first. */
  readonly routes: readonly RouteStatistics[]
}

interface Route {
  readonly method: string
  readonly route: string
  readonly latency: LatencyHistogram
  errors: number
  refusals: number
}

/**
 * Rate, errors and duration of the requests of an application, by route template: never by path, of which there is no end.
 * Its middleware goes before all others.
 */
export class RequestMetrics {
  readonly registry = new Registry()
  readonly #latency = new LatencyHistogram()
  readonly #routes = new Map<string, Route>()
  readonly #durations = new Histogram({
    name: 'http_server_request_duration_seconds',
    help: 'From the head of the request to the end of the reply',
    labelNames: ['method', 'route', 'status'],
    buckets: BUCKETS,
    registers: [this.registry],
  })
  readonly #inFlight = new Gauge({
    name: 'http_server_active_requests',
    help: 'Requests that are not answered yet',
    registers: [this.registry],
  })
  readonly #aborted = new Counter({
    name: 'http_server_aborted_requests_total',
    help: 'Requests whose client went away before the reply was out',
    registers: [this.registry],
  })
  #active = 0
  #abortedCount = 0

  constructor(app: Pick<Express, 'request'>) {
    rememberRoutes(app)
  }

  readonly middleware: RequestHandler = (request, response, next) => {
    const startedAt = performance.now()
    this.#active += 1
    this.#inFlight.set(this.#active)
    response.once('close', () => {
      this.#active -= 1
      this.#inFlight.set(this.#active)
      if (!response.writableFinished) {
        this.#abortedCount += 1
        this.#aborted.inc()
        return
      }
      const method = HTTP_METHODS.includes(request.method) ? request.method : 'other'
      this.#record(method, routeTemplateOf(request) ?? NO_ROUTE, response.statusCode, performance.now() - startedAt)
    })
    next()
  }

  snapshot(): RequestStatistics {
    const routes = [...this.#routes.values()].map(({ method, route, latency, errors, refusals }) => ({
      method,
      route,
      errors,
      refusals,
      ...latency.snapshot(),
    }))
    const latency = this.#latency.snapshot()
    const sum = (of: (route: RouteStatistics) => number): number => routes.reduce((all, one) => all + of(one), 0)
    return {
      requests: latency.count,
      errors: sum(({ errors }) => errors),
      refusals: sum(({ refusals }) => refusals),
      aborted: this.#abortedCount,
      inFlight: this.#active,
      latency,
      routes: routes.sort((one, other) => other.count - one.count),
    }
  }

  #record(method: string, route: string, status: number, durationMs: number): void {
    const labels = { method, route, status: `${Math.floor(status / 100)}xx` }
    this.#durations.observe(labels, durationMs / 1_000)
    this.#latency.record(durationMs)
    const key = `${method} ${route}`
    const known = this.#routes.get(key)
    const its = known ?? { method, route, latency: new LatencyHistogram(), errors: 0, refusals: 0 }
    if (known === undefined) this.#routes.set(key, its)
    its.latency.record(durationMs)
    if (status >= 500) its.errors += 1
    else if (status >= 400) its.refusals += 1
  }
}
