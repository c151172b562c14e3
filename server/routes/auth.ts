import { Router } from 'express'
import { z } from 'zod'
import { refuseOtherMethods } from '#server/http/method-not-allowed.ts'
import type { AccessTokens } from '#server/http/access-token.ts'
import { parseBody } from '#server/http/validate.ts'
import type { SignInService } from '#server/services/sign-in.ts'

// What no name can be is refused here: PostgreSQL cannot even be asked about a NUL.
const NAME = /^[^\p{Cc}]{1,64}$/u
// The upper bound keeps a hostile password from buying a long hash.
const SignInBody = z.strictObject({
  username: z.string().regex(NAME, 'is not a user name'),
  password: z.string().min(1).max(1_024),
})

export function authRoutes(deps: { readonly signIn: SignInService; readonly tokens: AccessTokens }): Router {
  const router = Router()
  router.post('/sign-in', async (request, response) => {
    const { username, password } = parseBody(SignInBody, request)
    const user = await deps.signIn.signIn(username, password)
    const token = await deps.tokens.issue({ id: user.id, role: user.role })
    response.setHeader('cache-control', 'no-store')
    response.json({ token, user })
  })
  refuseOtherMethods(router)
  return router
}
