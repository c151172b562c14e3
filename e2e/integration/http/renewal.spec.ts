import { seededSchool } from '#fixtures/data/seed.ts'
import { ApiClient } from '#fixtures/playwright/api-client.ts'
import { expect, test } from '#fixtures/test.ts'
import { createAccessTokens } from '#server/http/access-token.ts'

const PATH = '/api/v1/auth/renew'
const user = seededSchool().users.find(({ username }) => username === 'student30')
const principal = { id: user?.id ?? '', role: 'student' } as const

test('a valid token is exchanged for one that opens the API, of the same user, and is in no other reply', async ({
  app,
}) => {
  const signedIn = await app.anonymous.signIn('student30', 'hotpath')
  expect(signedIn.body).toMatchObject({ expiresInSec: 3_600 })
  const client = new ApiClient(app.url, String(signedIn.body['token']))
  const { status, body, headers } = await client.post(PATH, {})
  expect(status).toBe(200)
  expect(Object.keys(body).toSorted()).toEqual(['expiresInSec', 'token'])
  expect(headers.get('cache-control')).toBe('no-store')
  const renewed = new ApiClient(app.url, String(body['token']))
  expect((await renewed.get('/api/v1/lessons')).body).toEqual((await client.get('/api/v1/lessons')).body)
})

test('no token, a forged one, one that is over, and one whose session is over are refused', async ({
  app,
  serverEnvironment,
}) => {
  const secret = serverEnvironment['TOKEN_SECRET'] ?? ''
  const at = (now: number) => ({ secret, ttlSec: 86_400, clock: { now: () => now } })
  const now = Date.now()
  const forged = createAccessTokens({ ...at(now), secret: 'a guess at the secret of 32 characters' }).issue(principal)
  const over = createAccessTokens({ ...at(now - 120_000), ttlSec: 60 }).issue(principal)
  // Still valid, and of a password that was given thirteen hours ago.
  const old = createAccessTokens(at(now - 13 * 3_600_000)).issue(principal)
  expect((await new ApiClient(app.url, old).get('/api/v1/lessons')).status).toBe(200)
  for (const [what, token] of Object.entries({ none: undefined, forged, over, old })) {
    const { status, body } = await new ApiClient(app.url, token).post(PATH, {})
    expect(status, what).toBe(401)
    expect(body, what).not.toHaveProperty('token')
  }
})

test('an account that is closed gets no other token, and a role that has changed is the new one', async ({
  app,
  sql,
}) => {
  const { token } = await app.session('student31')
  const client = new ApiClient(app.url, token)
  const set = (change: string) => sql(`update users set ${change} where username = 'student31'`)
  try {
    await set('is_active = false')
    expect((await client.post(PATH, {})).status).toBe(401)
    await set(`is_active = true, role = 'parent'`)
    const { status, body } = await client.post(PATH, {})
    expect(status).toBe(200)
    expect((await client.get('/api/v1/lessons')).status).toBe(200)
    expect((await new ApiClient(app.url, String(body['token'])).get('/api/v1/lessons')).status).toBe(403)
  } finally {
    await set(`is_active = true, role = 'student'`)
  }
})
