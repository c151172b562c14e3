import type { RequestHandler } from 'express'
import { Registry } from 'prom-client'
import { sendBody } from './send-body.ts'

/**
 * The page that Prometheus reads, of texts in its format: `prometheus` of the optimizations, a registry of prom-client.
 * They name statements and channels: whoever may not know them is to be refused by a handler before it.
 */
export function createMetricsHandler(sources: readonly (() => Promise<string>)[]): RequestHandler {
  return async (_request, response, next) => {
    try {
      const page = (await Promise.all(sources.map((read) => read()))).join('\n')
      if (response.headersSent) return
      response.setHeader('cache-control', 'no-store')
      sendBody(response, Registry.PROMETHEUS_CONTENT_TYPE, page)
    } catch (error) {
      next(error)
    }
  }
}
