import { expect, test } from '#fixtures/test.ts'
import type { PusherLease } from '#fixtures/services/broker/lease.ts'
import { isSoketi } from '#fixtures/services/pusher/is-soketi.ts'
import { createPublisher, Subscriber } from '#fixtures/services/pusher/official-clients.ts'
import { RawClient, type RawMessage } from '#fixtures/services/pusher/raw-client.ts'
import { startPusherProcess, type PusherProcess } from '#fixtures/services/pusher/start-pusher-process.ts'

/** What the server says to a subscription with that data. */
async function answerTo(client: RawClient, data: unknown, event = 'pusher:subscribe'): Promise<RawMessage | undefined> {
  const seen = client.messages.length
  client.send({ event, data })
  await client.settled()
  return client.messages.slice(seen).find(({ event: name }) => name !== 'pusher:pong')
}

/** An error event with that message and no code; of soketi, which knows no other, its `pusher:subscription_error`. */
function expectRefused(pusher: PusherLease, answer: RawMessage | undefined, message: unknown): void {
  if (isSoketi(pusher)) expect(answer).toMatchObject({ event: 'pusher:subscription_error' })
  else expect(answer).toEqual({ event: 'pusher:error', data: { code: null, message } })
}

test('the faults of an authorization are told apart, in the words of Pusher (soketi: a subscription_error)', async ({
  pusher,
}) => {
  await using client = await RawClient.connect(pusher)
  const channel = 'private-a'
  const signed = `${client.socketId}:${channel}`
  const cases = [
    [{ channel }, 'Auth info required to subscribe to private-a'],
    [
      { channel, auth: 'x' },
      "Auth value for subscription to private-a is invalid: should be of format 'key:signature'",
    ],
    [{ channel, auth: 'other:x' }, "Invalid key in subscription to private-a auth data: 'other'"],
    [{ channel, auth: `${pusher.key}:x` }, `Invalid signature: Expected HMAC SHA256 hex digest of ${signed}`],
  ] as const
  for (const [data, message] of cases) expectRefused(pusher, await answerTo(client, data), message)
})

test('the signature for one socket, channel or member is worth nothing for another', async ({ pusher }) => {
  await using client = await RawClient.connect(pusher)
  const publisher = createPublisher(pusher)
  const member = { user_id: 'ada' }
  const forAda = publisher.authorizeChannel(client.socketId, 'presence-a', member)
  for (const data of [
    { channel: 'private-a', ...publisher.authorizeChannel('1.1', 'private-a') },
    { channel: 'private-b', ...publisher.authorizeChannel(client.socketId, 'private-a') },
    { channel: 'presence-a', ...forAda, channel_data: '{"user_id":"bob"}' },
    { channel: 'presence-a', auth: forAda.auth },
  ]) {
    expectRefused(pusher, await answerTo(client, data), expect.stringMatching(/^Invalid signature/))
  }
})

test('a second subscription to a channel is an error, an unsubscription from none is another (soketi: neither)', async ({
  pusher,
}) => {
  await using client = await RawClient.connect(pusher)
  const channel = `again-${test.info().testId}`
  await answerTo(client, { channel })
  const again = await answerTo(client, { channel })
  const from = await answerTo(client, { channel: 'b' }, 'pusher:unsubscribe')
  if (isSoketi(pusher)) {
    expect(again?.event).toBe('pusher_internal:subscription_succeeded')
    expect(from).toBeUndefined()
    return
  }
  expectRefused(pusher, again, `Existing subscription to channel ${channel}`)
  expectRefused(pusher, from, expect.stringContaining('No current subscription'))
})

for (const [what, channel, soketi] of [
  ['of 165 characters', 'a'.repeat(165), 'pusher_internal:subscription_succeeded'],
  ['with a blank', 'a b', 'pusher:subscription_error'],
  ['that is empty', '', 'pusher:subscription_error'],
  ['with a reserved #', '#a', 'pusher_internal:subscription_succeeded'],
] as const) {
  test(`a channel name ${what} is refused (soketi: ${soketi})`, async ({ pusher }) => {
    await using client = await RawClient.connect(pusher)
    const answer = await answerTo(client, { channel })
    expect(answer?.event).toBe(isSoketi(pusher) ? soketi : 'pusher:error')
  })
}

for (const [what, member] of [
  ['an id of 129 characters', { user_id: 'u'.repeat(129) }],
  ['info of more than 1 KiB', { user_id: 'u', user_info: { text: 'ü'.repeat(512) } }],
  ['no id', { user_info: {} }],
] as const) {
  test(`a member with ${what} is refused (soketi takes him)`, async ({ pusher }) => {
    await using client = await RawClient.connect(pusher)
    const channel = `presence-${test.info().testId}`
    const auth = createPublisher(pusher).authorizeChannel(client.socketId, channel, member as { user_id: string })
    const answer = await answerTo(client, { channel, ...auth })
    expect(answer?.event).toBe(isSoketi(pusher) ? 'pusher_internal:subscription_succeeded' : 'pusher:error')
  })
}

test('a numeric user id is a string from then on (soketi: a number)', async ({ pusher }) => {
  const channel = `presence-${test.info().testId}`
  const member = { user_id: 10 as unknown as string, user_info: { name: 'Mr. Pusher' } }
  await using subscriber = await Subscriber.connect(pusher, { member })
  expect(await subscriber.subscribe(channel)).toMatchObject({
    count: 1,
    me: { id: 10, info: { name: 'Mr. Pusher' } },
  })
  const users = await createPublisher(pusher).get({ path: `/channels/${channel}/users` })
  expect(await users.json()).toEqual({ users: [{ id: isSoketi(pusher) ? 10 : '10' }] })
})

test('a presence channel takes a hundred users, and further connections of theirs (soketi: nobody after the hundredth)', async ({
  pusher,
}) => {
  test.skip(pusher.cluster !== undefined, 'a free account of the hosted service has a hundred connections')
  const channel = `presence-${test.info().testId}`
  const publisher = createPublisher(pusher)
  const clients = await Promise.all(Array.from({ length: 102 }, () => RawClient.connect(pusher)))
  const join = (client: RawClient, user_id: string): Promise<RawMessage | undefined> =>
    answerTo(client, { channel, ...publisher.authorizeChannel(client.socketId, channel, { user_id }) })
  const joined = { event: 'pusher_internal:subscription_succeeded' }
  for (const [index, client] of clients.slice(0, 100).entries()) {
    expect(await join(client, `user-${index}`)).toMatchObject(joined)
  }
  const again = await join(clients[100]!, 'user-7')
  if (isSoketi(pusher)) expect(again).toMatchObject({ event: 'pusher:subscription_error' })
  else expect(again).toMatchObject(joined)
  const oneTooMany = await join(clients[101]!, 'one too many')
  expectRefused(pusher, oneTooMany, expect.stringMatching(/maximum of 100 members/))
  await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()))
})

for (const [what, prefix, soketi] of [
  ['a private channel without a subscription', 'private-none-', 'drops it without a word'],
  ['a public channel', 'public-', 'delivers it'],
] as const) {
  test(`a client event on ${what} is an error and reaches nobody (soketi ${soketi})`, async ({ pusher }) => {
    const channel = `${prefix}${test.info().testId}`
    await using audience = await Subscriber.connect(pusher)
    await audience.subscribe(channel)
    await using client = await RawClient.connect(pusher)
    if (prefix === 'public-') await answerTo(client, { channel })
    const seen = client.messages.length
    client.send({ event: 'client-a', channel, data: {} })
    await client.settled()
    await createPublisher(pusher).trigger(channel, 'marker', 1)
    await expect.poll(() => audience.dataOf(channel, 'marker')).toEqual([1])
    const errors = client.messages.slice(seen).filter(({ event }) => event === 'pusher:error')
    const error = {
      event: 'pusher:error',
      data: { code: null, message: expect.stringMatching(/not subscribed|only supp/) },
    }
    expect(errors).toEqual(isSoketi(pusher) ? [] : [error])
    const isDelivered = isSoketi(pusher) && prefix === 'public-'
    expect(audience.dataOf(channel, 'client-a')).toEqual(isDelivered ? [{}] : [])
  })
}

test.describe('Hotpath’s own server: refused subscriptions', () => {
  test('a channel name that is no string is refused (soketi’s process ends by it)', async ({ hotpathPusher }) => {
    await using client = await RawClient.connect(hotpathPusher)
    expect((await answerTo(client, { channel: 7 }))?.event).toBe('pusher:error')
  })
})

test.describe('Hotpath’s own server: refused client events', () => {
  async function errorFor(server: PusherProcess, message: object): Promise<unknown> {
    const target = { ...server, ...server.app }
    await using client = await RawClient.connect(target)
    const auth = createPublisher(target).authorizeChannel(client.socketId, 'private-a')
    client.send({ event: 'pusher:subscribe', data: { channel: 'private-a', ...auth } })
    client.send({ event: 'pusher:subscribe', data: { channel: 'public' } })
    client.send(message)
    return (await client.received('pusher:error')).data
  }

  test('an app that has not switched them on has none', async () => {
    await using server = await startPusherProcess()
    expect(await errorFor(server, { event: 'client-a', channel: 'private-a', data: {} })).toEqual({
      code: null,
      message: 'To send client events, you must enable this feature in the Settings page of your dashboard.',
    })
  })

  test('a sender has to be subscribed to a private channel, and to name it, the event and the data', async () => {
    await using server = await startPusherProcess({ apps: [{ clientEvents: true }] })
    const cases = [
      [{ event: 'client-a', channel: 'private-b', data: {} }, /not subscribed to channel private-b/],
      [{ event: 'client-a', channel: 'public', data: {} }, /only supported on private and presence/],
      [{ event: 'client-a', channel: 'private-a' }, /must contain channel and data/],
      [{ event: 'client-a', data: {} }, /must contain channel and data/],
      [{ event: `client-${'a'.repeat(194)}`, channel: 'private-a', data: {} }, /maximum of 200/],
      [{ event: 'client-a', channel: 'private-a', data: 'x'.repeat(10_241) }, /allowed maximum \(10240 bytes\)/],
      [{ event: 'news', channel: 'private-a', data: {} }, /Unsupported event received on socket: 'news'/],
    ] as const
    for (const [message, said] of cases) {
      expect(await errorFor(server, message)).toEqual({ code: null, message: expect.stringMatching(said) })
    }
  })
})

test.describe('Hotpath’s own server: subscription counts', () => {
  const countsOf = (client: RawClient): unknown[] =>
    client.messages
      .filter(({ event }) => event === 'pusher_internal:subscription_count')
      .map(({ data }) => (JSON.parse(String(data)) as { subscription_count: number }).subscription_count)

  test('subscribers hear of every change, on all channels but presence', async () => {
    await using server = await startPusherProcess({ apps: [{ subscriptionCount: true }] })
    const target = { ...server, ...server.app }
    await using first = await Subscriber.connect(target, { member: { user_id: 'ada' } })
    await first.subscribe('presence-a')
    const counts: unknown[] = []
    first.client.subscribe('a').bind('pusher:subscription_count', (data: unknown) => counts.push(data))
    await expect.poll(() => counts).toEqual([{ subscription_count: 1 }])
    await using second = await Subscriber.connect(target)
    await second.subscribe('a')
    await expect.poll(() => counts).toHaveLength(2)
    second.client.unsubscribe('a')
    await expect
      .poll(() => counts)
      .toEqual([{ subscription_count: 1 }, { subscription_count: 2 }, { subscription_count: 1 }])
    expect(first.dataOf('presence-a', 'pusher_internal:subscription_count')).toEqual([])
    const publisher = createPublisher(target)
    const info = await publisher.get({ path: '/channels/a', params: { info: 'subscription_count' } })
    expect(await info.json()).toEqual({ occupied: true, subscription_count: 1 })
  })

  test('above a hundred subscribers there is one announcement in five seconds, and the last count is right', async () => {
    await using server = await startPusherProcess({ apps: [{ subscriptionCount: true }] })
    const target = { ...server, ...server.app }
    const clients = await Promise.all(Array.from({ length: 130 }, () => RawClient.connect(target)))
    for (const client of clients) {
      client.send({ event: 'pusher:subscribe', data: { channel: 'a' } })
      await client.received('pusher_internal:subscription_succeeded')
    }
    const [first] = clients
    await first!.settled()
    expect(countsOf(first!)).toEqual(Array.from({ length: 101 }, (_, index) => index + 1))
    await expect.poll(() => countsOf(first!).at(-1)).toBe(130)
    expect(countsOf(first!)).toHaveLength(102)
    await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()))
  })

  test('an app that has not switched them on has none', async () => {
    await using server = await startPusherProcess()
    const target = { ...server, ...server.app }
    await using subscriber = await Subscriber.connect(target)
    await subscriber.subscribe('a')
    await subscriber.subscribe('b')
    expect(subscriber.dataOf('a', 'pusher_internal:subscription_count')).toEqual([])
    const info = createPublisher(target).get({ path: '/channels/a', params: { info: 'subscription_count' } })
    await expect(info).rejects.toMatchObject({ status: 400 })
  })
})
