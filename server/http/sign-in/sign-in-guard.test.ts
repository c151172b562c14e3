import { expect, test } from '@playwright/test'
import express from 'express'
import { pino } from 'pino'
import { serve } from '#fixtures/edges/serve.ts'
import { createErrorHandler } from '#server/http/error-handler.ts'
import { HeldRefusals } from '#server/http/rate-limit/held-refusals.ts'
import { createRequestContext } from '#optimizations/express/request-context.ts'
import { ServiceError } from '#server/services/errors.ts'
import { SignInGuard } from './sign-in-guard.ts'
import { ManualClock } from '#fixtures/doubles/manual-clock.ts'

const REFUSED = { isAllowed: false, retryAfterMs: 5_000 } as const
const ALLOWED = {
  isAllowed: true,
  isKnown: false,
  group: 'here',
  succeeded: async () => undefined,
  notMade: async () => undefined,
} as const

/** A server that refuses every sign-in, and has room to hold one refusal, on a clock that stands still. */
async function serveRefusals(guess: typeof REFUSED | typeof ALLOWED) {
  const clock = new ManualClock()
  const refusals = new HeldRefusals(clock, 1)
  const guard = new SignInGuard({ take: async () => guess, limiters: [] }, refusals, clock)
  const check = async () => {
    throw new ServiceError('sign_in_busy', 'busy')
  }
  const app = express()
  app.use(createRequestContext({ timeoutMs: 30_000 }))
  app.post('/', async (_request, response) => {
    await guard.run({ name: 'ada', address: 'here', response, check })
  })
  app.use(createErrorHandler(pino({ level: 'silent' })))
  const { url, server, [Symbol.asyncDispose]: end } = await serve(app)
  return { url, server, clock, refusals, [Symbol.asyncDispose]: end }
}

for (const [what, guess, status] of [
  ['a wrong password too many', REFUSED, 429],
  ['a sign-in too many', ALLOWED, 503],
] as const) {
  test(`${what} is answered late; without room to hold it at once, and its connection ends`, async () => {
    await using served = await serveRefusals(guess)
    const post = () => fetch(served.url, { method: 'POST' })
    const held = post()
    await expect.poll(() => served.clock.pending).toBe(1)
    const above = await post()
    expect([above.status, above.headers.get('connection')]).toEqual([status, 'close'])
    expect(served.clock.pending).toBe(1)
    served.refusals.release()
    const released = await held
    expect([released.status, released.headers.get('connection')]).toEqual([status, 'keep-alive'])
  })
}
