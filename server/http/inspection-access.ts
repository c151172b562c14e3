import { createHash, timingSafeEqual } from 'node:crypto'
import type { Request } from 'express'
import { HttpError } from './problem.ts'

export interface InspectionOptions {
  /** Who sends it as a bearer token (RFC 6750) may inspect the server. */
  readonly token?: string | undefined
  /** Without a token: whether whoever reaches the server directly may, because only this machine can. */
  readonly isOpenOnLoopback: boolean
}

/** Who may see metrics and the details of health: they name statements, channels and addresses. */
export interface InspectionAccess {
  mayInspect(request: Request): boolean
  /** Throws 401 or, where no token opens them, 403 for everybody else. */
  requireInspector(request: Request): void
}

/** A proxy on this machine brings everybody's requests; a page of another name (DNS rebinding) is not this machine's. */
const FORWARDED = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip'] as const
const LOOPBACK_NAME = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

function isDirectOnLoopback({ headers }: Request): boolean {
  return LOOPBACK_NAME.test(headers.host ?? '') && FORWARDED.every((name) => headers[name] === undefined)
}

export function createInspectionAccess({ token, isOpenOnLoopback }: InspectionOptions): InspectionAccess {
  const expected = token === undefined ? undefined : digest(`Bearer ${token}`)
  const mayInspect = (request: Request): boolean => {
    if (expected === undefined) return isOpenOnLoopback && isDirectOnLoopback(request)
    // The same time whatever is offered.
    return timingSafeEqual(digest(request.get('authorization') ?? ''), expected)
  }
  return {
    mayInspect,
    requireInspector(request) {
      if (mayInspect(request)) return
      if (expected === undefined) {
        const detail = 'Metrics and the details of health are closed: set METRICS_TOKEN, and send it as a bearer token.'
        throw new HttpError(403, 'inspection_closed', detail)
      }
      throw new HttpError(401, 'unauthenticated', 'This is for the bearer of the metrics token.')
    },
  }
}
