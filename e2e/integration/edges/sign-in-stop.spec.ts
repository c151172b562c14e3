import { randomUUID } from 'node:crypto'
import { ApiClient } from '#fixtures/playwright/api-client.ts'
import { startServerProcess } from '#fixtures/playwright/server-process.ts'
import { expect, test } from '#fixtures/test.ts'

test('SIGTERM does not wait for refusals that are held back: they are answered, and the server has drained in time', async ({
  serverEnvironment,
}) => {
  // A refusal is held for a second, which is longer than the drain may take.
  const environment = {
    ...serverEnvironment,
    SIGN_IN_GUESSES_PER_NAME: '1',
    DRAIN_GRACE_MS: '0',
    DRAIN_TIMEOUT_MS: '700',
  }
  await using server = await startServerProcess({ environment })
  const client = new ApiClient(server.url)
  const guess = { username: `nobody-${randomUUID()}`, password: 'wrong password' }
  expect((await client.post('/api/v1/auth/sign-in', guess)).status).toBe(401)
  const refused = Promise.all(Array.from({ length: 5 }, () => client.post('/api/v1/auth/sign-in', guess)))
  // Another request behind them on the same listener proves that they have been accepted.
  expect((await fetch(`${server.url}/health/live`, { headers: { connection: 'close' } })).status).toBe(200)
  server.kill('SIGTERM')
  expect((await refused).map(({ status }) => status)).toEqual([429, 429, 429, 429, 429])
  expect(await server.exited).toBe(0)
  expect(server.output()).toContain('"outcome":"drained"')
})
