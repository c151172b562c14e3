import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'
import type { Request, RequestHandler, Response } from 'express'
import { z } from 'zod'
import { systemClock, type Clock } from '#optimizations/kernel/clock.ts'
import { ROLES, type Role } from '#server/entities/user.ts'
import { HttpError } from './problem.ts'

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** The only header there is: another algorithm, another spelling or another member is another text. */
const HEADER = encode({ alg: 'HS256' })
const ISSUER = 'hotpath'
/** Many times what is issued; what is longer is not even looked at. */
const MAX_CHARACTERS = 4_096
/** By how much the clocks of two servers may differ. Nothing is added to the lifetime. */
const CLOCK_TOLERANCE_SEC = 5

/** What a token has to say (RFC 7519, 4.1), and all that it may. */
const Claims = z.strictObject({
  iss: z.literal(ISSUER),
  sub: z.uuid(),
  role: z.enum(ROLES),
  iat: z.int(),
  exp: z.int(),
  nbf: z.int().optional(),
  /** When its user gave the password (OpenID Connect Core, 2), where that was not when it was issued. */
  auth_time: z.int().optional(),
})

/** Who asks, as the access token says. */
export interface Principal {
  readonly id: string
  readonly role: Role
}

export interface AccessTokens {
  issue(principal: Principal): string
  /** Undefined when the token is forged, expired, not valid yet, or was issued for something else. */
  verify(token: string): Principal | undefined
  /**
   * Another token in place of one that is still valid and of the same user, with the role as it is now. However often it
   * is renewed, nothing of a session outlives it. Undefined when the token is refused, or the session is over.
   */
  renew(token: string, principal: Principal): IssuedToken | undefined
  readonly ttlSec: number
}

export interface IssuedToken {
  readonly token: string
  readonly expiresInSec: number
}

export interface AccessTokenOptions {
  readonly secret: string
  readonly ttlSec: number
  /** After so long a password has to be given again. 12 hours by default. */
  readonly sessionSec?: number
  readonly clock?: Pick<Clock, 'now'>
}

const SESSION_SEC = 43_200

function parseClaims(payload: string): z.infer<typeof Claims> | undefined {
  try {
    return Claims.safeParse(JSON.parse(Buffer.from(payload, 'base64url').toString())).data
  } catch {
    return undefined
  }
}

/**
 * Short-lived signed tokens (JWT, RFC 7519), so that a request needs no look-up to know who asks. Signed and verified
 * at once, in microseconds: the asynchronous ways of the platform (WebCrypto) wait for a thread of libuv's pool, and so
 * behind every password that is checked meanwhile.
 */
export function createAccessTokens(options: AccessTokenOptions): AccessTokens {
  const { secret, ttlSec, sessionSec = SESSION_SEC, clock = systemClock } = options
  const key = createSecretKey(secret, 'utf8')
  const sign = (text: string): string => createHmac('sha256', key).update(text).digest('base64url')
  const isSigned = (text: string, signature: string): boolean => {
    // Compared as text, because several texts of base64url mean the same bytes; in the same time wherever they differ.
    const [given, right] = [Buffer.from(signature), Buffer.from(sign(text))]
    return given.length === right.length && timingSafeEqual(given, right)
  }
  const seal = (claims: z.infer<typeof Claims>): string => {
    const signed = `${HEADER}.${encode(claims)}`
    return `${signed}.${sign(signed)}`
  }
  const read = (token: string): z.infer<typeof Claims> | undefined => {
    if (token.length > MAX_CHARACTERS) return undefined
    const [header, payload = '', signature = '', ...more] = token.split('.')
    if (header !== HEADER || more.length > 0 || !isSigned(`${header}.${payload}`, signature)) return undefined
    const claims = parseClaims(payload)
    if (claims === undefined) return undefined
    const nowSec = clock.now() / 1_000
    const validFromSec = Math.max(claims.iat, claims.nbf ?? claims.iat) - CLOCK_TOLERANCE_SEC
    return nowSec < validFromSec || nowSec >= claims.exp ? undefined : claims
  }
  return {
    ttlSec,
    issue: ({ id, role }) => {
      const iat = Math.floor(clock.now() / 1_000)
      return seal({ iss: ISSUER, sub: id, role, iat, exp: iat + ttlSec })
    },
    verify: (token) => {
      const claims = read(token)
      return claims && { id: claims.sub, role: claims.role }
    },
    renew: (token, { id, role }) => {
      const claims = read(token)
      if (claims?.sub !== id) return undefined
      const iat = Math.floor(clock.now() / 1_000)
      const signedInAt = claims.auth_time ?? claims.iat
      const exp = Math.min(iat + ttlSec, signedInAt + sessionSec)
      if (exp <= iat) return undefined
      const renewed = seal({ iss: ISSUER, sub: id, role, iat, exp, auth_time: signedInAt })
      return { token: renewed, expiresInSec: exp - iat }
    },
  }
}

/** The token of a request as RFC 6750 has it; undefined where there is none. */
export function bearerToken(request: Request): string | undefined {
  return /^Bearer ([\w.-]+)$/i.exec(request.get('authorization') ?? '')?.[1]
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
  return (request, response, next) => {
    const token = bearerToken(request)
    const principal = token === undefined ? undefined : tokens.verify(token)
    if (principal === undefined) {
      const detail =
        token === undefined ? 'Sign in first: a bearer token is missing.' : 'The token is not valid, or no longer.'
      throw new HttpError(401, 'unauthenticated', detail)
    }
    principals.set(response, principal)
    next()
  }
}
