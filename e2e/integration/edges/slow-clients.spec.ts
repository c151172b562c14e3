import { ApiClient } from '#fixtures/playwright/api-client.ts'
import { RawConnection } from '#fixtures/edges/raw-connection.ts'
import { startServerProcess } from '#fixtures/playwright/server-process.ts'
import { expect, test } from '#fixtures/test.ts'

const POST = 'POST /api/v1/realtime/auth HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n'

interface Counts {
  readonly errors: number
  readonly refusals: number
  readonly aborted: number
}

test('a slow, broken or abandoned body is the fault of its client: no error of ours is counted or logged for it', async ({
  app,
  serverEnvironment,
}) => {
  await using server = await startServerProcess({ environment: { ...serverEnvironment, REQUEST_TIMEOUT_MS: '500' } })
  const { token } = await app.session('student1')
  const head = (id: string): string => `${POST}authorization: Bearer ${token}\r\nx-request-id: ${id}\r\n`
  const open = async (bytes: string): Promise<RawConnection> => {
    const connection = await RawConnection.open(server.url)
    connection.send(bytes)
    return connection
  }
  using slow = await open(`${head('slow-body')}content-length: 100\r\n\r\n{"a":`)
  using broken = await open(`${head('bad-chunk')}transfer-encoding: chunked\r\n\r\n5\r\n{"a":\r\n`)
  using abandoned = await open(`${head('abandoned')}content-length: 100\r\n\r\n{"a":`)
  using long = await open(`${head('too-long-')}content-length: 2\r\n\r\n{} and more\r\n\r\n`)
  using packed = await open(`${head('bad-gzip-')}content-encoding: gzip\r\ncontent-length: 5\r\n\r\nhello`)
  using counted = await open(`${head('no-number')}content-length: five\r\n\r\nhello`)
  const metrics = async (): Promise<Counts> => {
    const { body } = await new ApiClient(server.url).get('/metrics/performance')
    return body['requests'] as Counts
  }
  await expect.poll(async () => ((await metrics()) as unknown as { inFlight: number }).inFlight).toBe(4)
  broken.send('zz\r\n')
  abandoned.reset()
  for (const connection of [slow, broken, long, counted]) expect(await connection.ended).toBe('closed')
  await expect.poll(() => packed.replies.length).toBe(1)
  const answers = [slow, broken, long, packed, counted].map(({ replies }) =>
    replies.map(({ status, body }) => [status, (JSON.parse(body) as { code: string }).code]),
  )
  expect(answers).toEqual([
    [[408, 'request_timeout']],
    [[400, 'bad_request']],
    [
      [400, 'invalid_request'],
      [400, 'bad_request'],
    ],
    [[400, 'bad_request']],
    [[400, 'bad_request']],
  ])
  await expect.poll(metrics).toMatchObject({ errors: 0, refusals: 4, aborted: 1 })
  expect(server.output()).toContain('"id":"slow-body"')
  expect(server.output()).not.toMatch(/"level":(50|60)/)
})

test('a socket that asks nothing, one that sends half a head, and one that sends it byte by byte are ended in the time that is configured', async ({
  serverEnvironment,
}) => {
  await using server = await startServerProcess({
    environment: { ...serverEnvironment, HEADERS_TIMEOUT_MS: '500', KEEP_ALIVE_TIMEOUT_MS: '1000' },
  })
  using silent = await RawConnection.open(server.url)
  using half = await RawConnection.open(server.url)
  using slow = await RawConnection.open(server.url)
  using kept = await RawConnection.open(server.url)
  half.send('GET /health/li')
  slow.send('GET /health/live HTTP/1.1\r\nx: ')
  const dripping = setInterval(() => slow.send('x'), 20)
  await kept.exchange('GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n')
  for (const connection of [silent, half, slow, kept]) expect(await connection.ended).toBe('closed')
  clearInterval(dripping)
  const statuses = [silent, half, slow, kept].map(({ replies }) => replies.map(({ status }) => status))
  expect(statuses).toEqual([[], [408], [408], [200]])
})

for (const [what, bytes, status] of [
  ['no Host', 'GET /api/v1/lessons HTTP/1.1\r\n', 400],
  ['two Hosts', 'GET /api/v1/lessons HTTP/1.1\r\nhost: a\r\nhost: b\r\n', 400],
  ['an empty Host', 'GET /api/v1/lessons HTTP/1.1\r\nhost:\r\n', 400],
  ['an unknown expectation', 'POST /api/v1/auth/sign-in HTTP/1.1\r\nhost: a\r\nexpect: tea\r\n', 417],
  ['a target that is none', 'GET http:// HTTP/1.1\r\nhost: a\r\n', 400],
  ['CONNECT', 'CONNECT a:443 HTTP/1.1\r\nhost: a\r\n', 405],
  ['TRACE', 'TRACE /health/live HTTP/1.1\r\nhost: a\r\n', 405],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n', 400],
] as const) {
  test(`a request with ${what} gets ${status} as problem+json with a request id`, async ({ app }) => {
    using connection = await RawConnection.open(app.url)
    const reply = await connection.exchange(`${bytes}\r\n`)
    if (typeof reply === 'string') throw new Error(`no reply: ${reply}`)
    expect(reply.status).toBe(status)
    expect(reply.headers['content-type']).toContain('application/problem+json')
    expect(JSON.parse(reply.body)).toMatchObject({ status, requestId: reply.headers['x-request-id'] })
  })
}

for (const [what, bytes, status] of [
  ['HTTP/1.0 without a Host', 'GET /health/live HTTP/1.0\r\n', 200],
  [
    'an upgrade that nobody offers',
    'GET /health/live HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: h2c\r\n',
    200,
  ],
  ['OPTIONS *', 'OPTIONS * HTTP/1.1\r\nhost: a\r\n', 204],
] as const) {
  test(`${what} is answered with ${status}`, async ({ app }) => {
    using connection = await RawConnection.open(app.url)
    expect(await connection.exchange(`${bytes}\r\n`)).toMatchObject({ status })
  })
}
