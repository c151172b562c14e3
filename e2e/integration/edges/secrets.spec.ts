import { Client } from 'pg'
import { ApiClient, type ApiReply } from '#fixtures/playwright/api-client.ts'
import { startServerProcess } from '#fixtures/playwright/server-process.ts'
import { expect, test } from '#fixtures/test.ts'

const JSON_TYPE = { 'content-type': 'application/json' }
const WRONG_PASSWORD = 'wrong-password-8f3b'
const NAME = 'name-in-a-statement-51c7'
const QUERY_SECRET = 'query-secret-d2a9'

/** What a run with good, bad and failing requests answered and logged. */
async function runOfEverything(environment: Record<string, string>) {
  await using server = await startServerProcess({ environment: { ...environment, LOG_LEVEL: 'trace' } })
  const anonymous = new ApiClient(server.url)
  const signedIn = await anonymous.post('/api/v1/auth/sign-in', { username: 'student1', password: 'hotpath' })
  const token = String(signedIn.body['token'])
  const client = new ApiClient(server.url, token)
  const replies: ApiReply[] = [
    await anonymous.post('/api/v1/auth/sign-in', { username: 'student1', password: WRONG_PASSWORD }),
    await anonymous.send('POST', '/api/v1/auth/sign-in', {
      headers: JSON_TYPE,
      body: `{"password": "${WRONG_PASSWORD}"`,
    }),
    await anonymous.post('/api/v1/auth/sign-in', { username: 'x', password: { nested: WRONG_PASSWORD } }),
    await client.get(`/api/v1/lessons?token=${QUERY_SECRET}`),
    await client.get(`/api/v1/lessons/${QUERY_SECRET}`),
    await new ApiClient(server.url, `${token}x`).get('/api/v1/lessons'),
  ]
  const database = new Client(environment['DATABASE_URL'])
  await database.connect()
  try {
    await database.query('alter table users rename to users_away')
    replies.push(await anonymous.post('/api/v1/auth/sign-in', { username: NAME, password: WRONG_PASSWORD }))
  } finally {
    await database.query('alter table users_away rename to users')
    await database.end()
  }
  await server.stop()
  return { token, replies, log: server.output() }
}

test('neither replies nor logs show a secret, a statement, or where in the code something failed', async ({
  serverEnvironment,
}) => {
  const { token, replies, log } = await runOfEverything({ ...serverEnvironment })
  expect(replies.at(-1)?.status).toBe(500)
  expect(log).toContain('"request failed"')

  const { DATABASE_URL, PUSHER_SECRET, TOKEN_SECRET } = serverEnvironment
  const databasePassword = new URL(DATABASE_URL ?? '').password
  const secrets = [token, WRONG_PASSWORD, QUERY_SECRET, PUSHER_SECRET ?? '', TOKEN_SECRET ?? '', databasePassword]
  const answered = JSON.stringify(replies.map(({ body, headers }) => [body, [...headers]]))
  for (const secret of secrets.filter((one) => one !== '')) {
    // The id in a path is no secret, and the log is where one looks for it.
    if (secret !== QUERY_SECRET) expect(log).not.toContain(secret)
    expect(answered).not.toContain(secret)
  }
  expect(log).not.toContain(`token=${QUERY_SECRET}`)
  expect(log).not.toContain(NAME)
  expect(answered).not.toMatch(/node_modules|\.ts:\d+|select |users/i)
})
