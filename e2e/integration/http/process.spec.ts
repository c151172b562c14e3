import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { expect, test } from '#fixtures/test.ts'
import { runServerToItsEnd, startServerProcess } from '#fixtures/playwright/server-process.ts'

/** A port that somebody listens on for as long as the test runs. */
async function takenPort(): Promise<{ port: number } & AsyncDisposable> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

test('a port already taken ends the start with one line that names it', async ({ serverEnvironment }) => {
  await using taken = await takenPort()
  const { code, output } = await runServerToItsEnd({ environment: { ...serverEnvironment, PORT: String(taken.port) } })
  expect(code).toBe(1)
  expect(output).toBe(`PORT: 127.0.0.1:${taken.port} is already in use; set PORT to another, or 0 for any free one`)
})

test('a database that is not there ends the start with one line that names its address and no password', async ({
  serverEnvironment,
}) => {
  const environment = { ...serverEnvironment, DATABASE_URL: 'postgresql://app:topsecret@127.0.0.1:9/school' }
  const { code, output } = await runServerToItsEnd({ environment })
  expect(code).toBe(1)
  expect(output.split('\n')).toHaveLength(1)
  expect(output).toContain('127.0.0.1:9')
  expect(output).not.toContain('topsecret')
})

test('an invalid environment ends the start with every fault named in one line, and no value shown', async ({
  serverEnvironment,
}) => {
  const { TOKEN_SECRET: _left, ...rest } = serverEnvironment
  const { code, output } = await runServerToItsEnd({ environment: { ...rest, PORT: '70000', REDIS_URL: 'hunter2' } })
  expect(code).toBe(1)
  expect(output.split('\n')).toHaveLength(1)
  for (const name of ['PORT', 'REDIS_URL', 'TOKEN_SECRET']) expect(output).toContain(`${name}: `)
  expect(output).not.toContain('hunter2')
})

test('SIGTERM lets the request in flight finish, refuses new ones, and ends with code 0', async ({
  serverEnvironment,
}) => {
  await using server = await startServerProcess({ environment: serverEnvironment })
  // A body that is still on its way when the signal comes.
  const { promise: bodySent, resolve: sendBody } = Promise.withResolvers<void>()
  const body = new ReadableStream({
    async start(controller) {
      controller.enqueue(new TextEncoder().encode('{"username":"student1",'))
      await bodySent
      controller.enqueue(new TextEncoder().encode('"password":"hotpath"}'))
      controller.close()
    },
  })
  const inFlight = fetch(`${server.url}/api/v1/auth/sign-in`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
    duplex: 'half',
  })
  // Another request behind it on the same listener proves that the first one has been accepted.
  expect((await fetch(`${server.url}/health/live`, { headers: { connection: 'close' } })).status).toBe(200)

  server.kill('SIGTERM')
  await expect
    .poll(() =>
      fetch(`${server.url}/health/live`).then(
        () => 'answered',
        () => 'refused',
      ),
    )
    .toBe('refused')
  sendBody()
  expect((await inFlight).status).toBe(200)
  expect(await server.exited).toBe(0)
  expect(server.output()).toContain('"outcome":"drained"')
})

test('SIGTERM during the start ends it with code 0', async ({ serverEnvironment }) => {
  // A database that takes the connection and never says a word.
  const silent = createServer().listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as AddressInfo
  const environment = { ...serverEnvironment, DATABASE_URL: `postgresql://app:secret@127.0.0.1:${port}/school` }
  const { code, output } = await runServerToItsEnd({ environment, terminated: once(silent, 'connection') })
  silent.close()
  expect(code).toBe(0)
  expect(output).not.toContain('"listening"')
})

test('a second SIGTERM does not cut what the first one ends in order', async ({ serverEnvironment }) => {
  await using server = await startServerProcess({ environment: { ...serverEnvironment, DRAIN_GRACE_MS: '500' } })
  server.kill('SIGTERM')
  await expect.poll(() => server.output()).toContain('"stopping"')
  server.kill('SIGTERM')
  server.kill('SIGINT')
  expect((await fetch(`${server.url}/health/live`)).status).toBe(200)
  expect(await server.exited).toBe(0)
  expect(server.output()).toContain('"outcome":"drained"')
})
