import type { Express, Request } from 'express'

const templates = new WeakMap<object, string>()
const routes = new WeakMap<object, { readonly path: unknown }>()

/**
 * Remembers, for each request of `app`, which route took it. Express names the route before it runs, and forgets the
 * path that leads to it when a handler throws, so the moment of naming is the one to look.
 */
export function rememberRoutes(app: Pick<Express, 'request'>): void {
  Object.defineProperty(app.request, 'route', {
    configurable: true,
    get(this: Request) {
      return routes.get(this)
    },
    set(this: Request, route: { readonly path: unknown }) {
      routes.set(this, route)
      const path = `${this.baseUrl}${String(route.path)}`
      templates.set(this, path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path)
    },
  })
}

/** `/api/v1/lessons/:id`: as many values as there are routes. Undefined for what no route took. */
export function routeTemplateOf(request: Request): string | undefined {
  return templates.get(request)
}
