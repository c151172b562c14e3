import { z } from 'zod'
import { clientAddress } from '#optimizations/express/client-address.ts'
import { ROLES } from '#server/entities/user.ts'
import { bearerToken, type AccessTokens } from '#server/http/access-token.ts'
import type { ApiRouter } from '#server/http/api-router.ts'
import { defineOperation } from '#server/http/operation.ts'
import { HttpError } from '#server/http/problem.ts'
import type { SignInGuard } from '#server/http/sign-in/sign-in-guard.ts'
import type { SignInOrigin, SignInService } from '#server/services/sign-in.ts'

// What no name can be is refused here: PostgreSQL cannot even be asked about a NUL.
const NAME = /^[^\p{Cc}]{1,320}$/u

const Issued = {
  token: z.string(),
  expiresInSec: z.int().min(1).describe('From now on, as `expires_in` of RFC 6749'),
}

const renew = defineOperation({
  method: 'post',
  path: '/auth/renew',
  summary: 'Exchange a token that is still valid for a fresh one, until the session is over',
  reply: z.object(Issued),
})

const signIn = defineOperation({
  method: 'post',
  path: '/auth/sign-in',
  summary: 'Exchange a name and a password for a bearer token',
  body: z.strictObject({
    username: z.string().regex(NAME, 'is neither a user name nor an email address'),
    // The upper bound keeps a hostile password from buying a long hash.
    password: z.string().min(1).max(1_024),
  }),
  // Anybody may send one: both members at their longest, each character escaped.
  maxBodyBytes: 16_384,
  reply: z.object({
    ...Issued,
    user: z.object({ id: z.uuid(), username: z.string(), displayName: z.string(), role: z.enum(ROLES) }),
  }),
  problems: [401],
})

export function authRoutes(
  api: ApiRouter,
  deps: { readonly signIn: SignInService; readonly tokens: AccessTokens; readonly guard: SignInGuard },
): void {
  api.serveOpen(signIn, async ({ body: { username: name, password }, request, response }) => {
    const check = (origin: SignInOrigin) => deps.signIn.signIn(name, password, origin)
    const user = await deps.guard.run({ name, address: clientAddress(request), response, check })
    const token = deps.tokens.issue({ id: user.id, role: user.role })
    return { token, expiresInSec: deps.tokens.ttlSec, user }
  })
  api.serve(renew, async ({ viewer, request }) => {
    // As the account is now: a token keeps what was true when it was made.
    const account = await deps.signIn.current(viewer.id)
    const renewed = account && deps.tokens.renew(bearerToken(request) ?? '', account)
    if (renewed === undefined) throw new HttpError(401, 'unauthenticated', 'The session is over: sign in again.')
    return renewed
  })
}
