import { expect, test } from '@playwright/test'
import type express from 'express'
import { EXPRESS_VERSIONS } from '#fixtures/edges/express-versions.ts'
import { serve } from '#fixtures/edges/serve.ts'
import { createLocalTokenStore } from './local-token-store.ts'
import { createRateLimit, requireTokens, takeTokens } from './rate-limit.ts'
import { RateLimiter } from './rate-limiter.ts'

function limiter(burst: number): RateLimiter {
  const store = createLocalTokenStore(() => 0)
  return new RateLimiter({ store, onError: () => undefined }, { name: 'test', tokensPerSec: 0.5, burst })
}

for (const [version, create] of EXPRESS_VERSIONS) {
  test(`${version}: what comes faster than the limit gets 429 with the time to wait, without an error handler too`, async () => {
    const app = create()
    app.set('env', 'test')
    app.use(createRateLimit(limiter(2), (request) => request.get('x-user') ?? ''))
    app.get('/', (_request, response) => void response.json({}))
    await using served = await serve(app)
    const ask = (user: string) => fetch(served.url, { headers: { 'x-user': user } })
    expect([(await ask('ada')).status, (await ask('ada')).status]).toEqual([200, 200])
    const refused = await ask('ada')
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '2'])
    expect((await ask('grace')).status).toBe(200)
  })

  test(`${version}: a request that nobody can name is an error of that request, and not of the process`, async () => {
    const app = create()
    app.set('env', 'test')
    app.use(
      createRateLimit(limiter(2), () => {
        throw new Error('nobody')
      }),
    )
    await using served = await serve(app)
    expect((await fetch(served.url)).status).toBe(500)
  })
}

/** As much of a response as is told something. */
function toldResponse() {
  const headers = new Map<string, unknown>()
  const response = { setHeader: (name: string, value: unknown) => headers.set(name, value) }
  return { headers, response: response as unknown as express.Response }
}

test('of many tokens as many are taken as there are, and none is refused with the time to wait', async () => {
  const limits = limiter(3)
  const { headers, response } = toldResponse()
  expect(await takeTokens(limits, { key: 'ada', wanted: 5, response })).toBe(3)
  expect(headers.size).toBe(0)
  await expect(takeTokens(limits, { key: 'ada', wanted: 5, response })).rejects.toMatchObject({
    code: 'rate_limited',
    status: 429,
    statusCode: 429,
  })
  expect(headers.get('retry-after')).toBe(2)
})

test('what cannot be done in part is refused when some of the tokens are missing, and told to come back in a second', async () => {
  const limits = limiter(3)
  const { headers, response } = toldResponse()
  await requireTokens(limits, { key: 'ada', wanted: 2, response })
  await expect(requireTokens(limits, { key: 'ada', wanted: 2, response })).rejects.toThrow('Too many requests')
  expect(headers.get('retry-after')).toBe(1)
})

test('without a limit there is as much as anybody wants', async () => {
  const { response } = toldResponse()
  expect(await takeTokens(undefined, { key: 'ada', wanted: 1_000, response })).toBe(1_000)
  await requireTokens(undefined, { key: 'ada', wanted: 1_000, response })
})
