import type { Router } from 'express'
import { HttpError } from './problem.ts'

/** After all routes of `router`: a path that exists answers 405 with `Allow` (RFC 9110, 15.5.6) to any other method. */
export function refuseOtherMethods(router: Router): void {
  const methods = new Map<string, Set<string>>()
  for (const { route } of router.stack) {
    if (route === undefined) continue
    const known = methods.get(route.path) ?? new Set()
    for (const layer of route.stack) known.add(layer.method.toUpperCase())
    methods.set(route.path, known)
  }
  for (const [path, known] of methods) {
    if (known.has('GET')) known.add('HEAD')
    const allow = [...known].join(', ')
    router.all(path, (request, response) => {
      response.setHeader('allow', allow)
      throw new HttpError(405, 'method_not_allowed', `${request.method} is not possible here; ${allow} is.`)
    })
  }
}
