import { expect, test } from '@playwright/test'

import { createBatchAuthorizer } from './batch-authorizer.js'

interface Call {
  readonly url: string
  readonly headers: Record<string, string>
  readonly body: { readonly socket_id: string; readonly channel_names: readonly string[] }
}

type Answer = (call: Call) => Response | Promise<Response>

const allowAll: Answer = ({ body }) =>
  Response.json(
    Object.fromEntries(
      body.channel_names.map((name) => [name, { status: 200, authorization: { auth: `sig:${name}` } }]),
    ),
  )

function createRig(answer: Answer = allowAll, options: object = {}) {
  const calls: Call[] = []
  const fetch = async (url: unknown, init?: { headers?: unknown; body?: unknown }): Promise<Response> => {
    const call = {
      url: String(url),
      headers: init?.headers as Record<string, string>,
      body: JSON.parse(String(init?.body)) as Call['body'],
    }
    calls.push(call)
    return answer(call)
  }
  const authorize = createBatchAuthorizer({ endpoint: '/auth', fetch, ...options })
  const ask = (channelName: string, socketId = '1.1'): Promise<unknown> =>
    new Promise((resolve) => {
      authorize({ socketId, channelName }, (error, data) =>
        resolve(error === null ? data : `refused: ${error.message}`),
      )
    })
  return { calls, ask }
}

test('forty subscriptions of a page ask once', async () => {
  const { calls, ask } = createRig()
  const names = Array.from({ length: 40 }, (_, n) => `private-${n}`)
  const answers = await Promise.all(names.map((name) => ask(name)))
  expect(calls.map(({ body }) => body)).toEqual([{ socket_id: '1.1', channel_names: names }])
  expect(answers).toEqual(names.map((name) => ({ auth: `sig:${name}` })))
})

test('a channel that is asked about twice is named once, and both are answered', async () => {
  const { calls, ask } = createRig()
  expect(await Promise.all([ask('private-a'), ask('private-a')])).toEqual([
    { auth: 'sig:private-a' },
    { auth: 'sig:private-a' },
  ])
  expect(calls[0]?.body.channel_names).toEqual(['private-a'])
})

test('one refusal leaves the others as they are', async () => {
  const { ask } = createRig(() =>
    Response.json({
      'private-a': { status: 200, authorization: { auth: 's' } },
      'private-b': { status: 403, error: 'denied' },
    }),
  )
  expect(await Promise.all([ask('private-a'), ask('private-b'), ask('private-c')])).toEqual([
    { auth: 's' },
    'refused: Authorization of private-b failed with status 403',
    'refused: Authorization of private-c failed with status unknown',
  ])
})

for (const [what, answer, message] of [
  ['an answer of 500', () => new Response('', { status: 500 }), 'Authorization failed with status 500'],
  ['no answer', () => Promise.reject(new Error('offline')), 'Authorization failed: no answer'],
  ['an answer that is no JSON', () => new Response('<html>'), 'Authorization failed: no answer'],
] as const) {
  test(`${what} refuses every channel that was asked about, and the next question asks anew`, async () => {
    let isFirst = true
    const { ask } = createRig(
      (call) => {
        const spoiled = isFirst
        isFirst = false
        return spoiled ? answer() : allowAll(call)
      },
      { attempts: 1 },
    )
    expect(await Promise.all([ask('private-a'), ask('private-b')])).toEqual([
      `refused: ${message}`,
      `refused: ${message}`,
    ])
    expect(await ask('private-a')).toEqual({ auth: 'sig:private-a' })
  })
}

test('a server that is away or has too much to do is asked again for every channel; one that refuses is not', async () => {
  const failures: Answer[] = [
    () => Promise.reject(new Error('offline')),
    () => new Response('', { status: 503 }),
    () => new Response('', { status: 429 }),
    () => new Response('<html>'),
  ]
  const { calls, ask } = createRig((call) => failures.shift()?.(call) ?? allowAll(call), { retryMs: 1 })
  expect(await Promise.all([ask('private-a'), ask('private-b')])).toEqual([
    { auth: 'sig:private-a' },
    { auth: 'sig:private-b' },
  ])
  expect(calls).toHaveLength(5)
  const refusing = createRig(() => new Response('', { status: 401 }), { retryMs: 1 })
  expect(await refusing.ask('private-a')).toBe('refused: Authorization failed with status 401')
  expect(refusing.calls).toHaveLength(1)
})

test('sockets are not mixed: after a reconnect the old questions stand by themselves', async () => {
  const { calls, ask } = createRig()
  await Promise.all([ask('private-a', '1.1'), ask('private-a', '2.2')])
  expect(calls.map(({ body }) => body.socket_id)).toEqual(['1.1', '2.2'])
})

test('a full request leaves at once, and the next one gathers anew', async () => {
  const { calls, ask } = createRig(allowAll, { maxChannels: 2 })
  await Promise.all(['a', 'b', 'c'].map((name) => ask(`private-${name}`)))
  expect(calls.map(({ body }) => body.channel_names)).toEqual([['private-a', 'private-b'], ['private-c']])
})

test('headers are given as they are or asked for each time', async () => {
  let token = 0
  const fixed = createRig(allowAll, { headers: { authorization: 'Bearer fixed' } })
  await fixed.ask('private-a')
  expect(fixed.calls[0]?.headers).toMatchObject({ authorization: 'Bearer fixed', 'content-type': 'application/json' })
  const fresh = createRig(allowAll, { headers: () => ({ authorization: `Bearer ${(token += 1)}` }) })
  await fresh.ask('private-a')
  await fresh.ask('private-a')
  expect(fresh.calls.map(({ headers }) => headers['authorization'])).toEqual(['Bearer 1', 'Bearer 2'])
})
