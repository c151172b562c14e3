import { jwtVerify, SignJWT } from 'jose'
import type { RequestHandler, Response } from 'express'
import { z } from 'zod'
import { ROLES } from '#server/entities/user.ts'
import { HttpError } from './problem.ts'
import type { Principal } from './request-context.ts'

const ALGORITHM = 'HS256'
const ISSUER = 'hotpath'
const Claims = z.object({ sub: z.uuid(), role: z.enum(ROLES) })

export interface AccessTokens {
  issue(principal: Principal): Promise<string>
  /** Throws when the token is forged, expired, or was issued for something else. */
  verify(token: string): Promise<Principal>
}

/** Short-lived signed tokens (JWT, RFC 7519), so that a request needs no look-up to know who asks. */
export function createAccessTokens(options: { readonly secret: string; readonly ttlSec: number }): AccessTokens {
  const key = new TextEncoder().encode(options.secret)
  return {
    issue: ({ id, role }) =>
      new SignJWT({ role })
        .setProtectedHeader({ alg: ALGORITHM })
        .setSubject(id)
        .setIssuer(ISSUER)
        .setIssuedAt()
        .setExpirationTime(`${options.ttlSec}s`)
        .sign(key),
    verify: async (token) => {
      const { payload } = await jwtVerify(token, key, { algorithms: [ALGORITHM], issuer: ISSUER })
      const claims = Claims.parse(payload)
      return { id: claims.sub, role: claims.role }
    },
  }
}

const principals = new WeakMap<Response, Principal>()

/** Who asks. Only behind `authenticate`. */
export function principalOf(response: Response): Principal {
  const principal = principals.get(response)
  if (principal === undefined) throw new Error('authenticate has to run before this handler')
  return principal
}

/** Lets a request pass only with a valid `Authorization: Bearer` token (RFC 6750). */
export function createAuthenticate(tokens: AccessTokens): RequestHandler {
  return async (request, response, next) => {
    const token = /^Bearer ([\w.-]+)$/i.exec(request.get('authorization') ?? '')?.[1]
    const principal = token === undefined ? undefined : await tokens.verify(token).catch(() => undefined)
    if (principal === undefined) {
      response.setHeader('www-authenticate', 'Bearer')
      const detail =
        token === undefined ? 'Sign in first: a bearer token is missing.' : 'The token is not valid, or no longer.'
      throw new HttpError(401, 'unauthenticated', detail)
    }
    principals.set(response, principal)
    next()
  }
}
