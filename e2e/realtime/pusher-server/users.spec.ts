import { expect, test } from '#fixtures/test.ts'
import { isSoketi } from '#fixtures/services/pusher/is-soketi.ts'
import { createPublisher, Subscriber, type PusherTarget } from '#fixtures/services/pusher/official-clients.ts'
import { RawClient } from '#fixtures/services/pusher/raw-client.ts'
import { startPusherProcess } from '#fixtures/services/pusher/start-pusher-process.ts'

/** A user that no other test signs in: all tests of a worker share an app. */
const userId = (name: string): string => `${name}-${test.info().testId}`

async function signIn(target: PusherTarget, id: string, more: Record<string, unknown> = {}): Promise<Subscriber> {
  const subscriber = await Subscriber.connect(target, { user: { id, ...more } })
  await subscriber.signIn()
  return subscriber
}

test('an event for a user reaches all of his connections and nobody else', async ({ pusher }) => {
  await using phone = await signIn(pusher, userId('ada'))
  await using desk = await signIn(pusher, userId('ada'))
  await using other = await signIn(pusher, userId('bob'))
  const received: string[] = []
  for (const [name, client] of Object.entries({ phone, desk, other })) {
    client.client.user.bind('hello', (data: unknown) => received.push(`${name} ${JSON.stringify(data)}`))
    const channel = `#server-to-user-${name === 'other' ? userId('bob') : userId('ada')}`
    await expect.poll(() => client.dataOf(channel, 'pusher_internal:subscription_succeeded')).toHaveLength(1)
  }
  await createPublisher(pusher).sendToUser(userId('ada'), 'hello', { to: 'ada' })
  await createPublisher(pusher).sendToUser(userId('bob'), 'hello', { to: 'bob' })
  await expect.poll(() => received.length).toBe(3)
  expect(received.toSorted()).toEqual(['desk {"to":"ada"}', 'other {"to":"bob"}', 'phone {"to":"ada"}'])
})

test('terminating a user closes his connections for good and leaves the others', async ({ pusher }) => {
  await using ada = await signIn(pusher, userId('ada'))
  await using bob = await signIn(pusher, userId('bob'))
  await createPublisher(pusher).terminateUserConnections(userId('ada'))
  await ada.whenState('disconnected')
  expect(ada.errors.map(({ code }) => code)).toContain(4009)
  expect(bob.client.connection.state).toBe('connected')
})

test('a signature that is not the app’s ends the connection with 4009, told in an error and in the close frame', async ({
  pusher,
}) => {
  await using client = await RawClient.connect(pusher)
  client.send({ event: 'pusher:signin', data: { auth: `${pusher.key}:forged`, user_data: '{"id":"ada"}' } })
  expect(await client.received('pusher:error')).toMatchObject({ data: { code: 4009 } })
  expect(await client.closed).toMatchObject({ code: 4009 })
})

test('a connection belongs to one user: a second one is refused, the same one again is not (soketi takes any)', async ({
  pusher,
}) => {
  await using client = await RawClient.connect(pusher)
  const publisher = createPublisher(pusher)
  for (const id of [userId('ada'), userId('bob'), userId('ada')]) {
    client.send({ event: 'pusher:signin', data: publisher.authenticateUser(client.socketId, { id }) })
  }
  await client.settled()
  const second = isSoketi(pusher) ? 'pusher:signin_success' : 'pusher:error'
  const answers = client.messages.map(({ event }) => event).filter((event) => /signin|error/.test(event))
  expect(answers).toEqual(['pusher:signin_success', second, 'pusher:signin_success'])
})

test('only its own user may subscribe to a server-to-user channel (soketi says yes and sends nothing)', async ({
  pusher,
}) => {
  const channel = `#server-to-user-${userId('ada')}`
  await using client = await RawClient.connect(pusher)
  client.send({ event: 'pusher:subscribe', data: { channel } })
  await client.settled()
  await createPublisher(pusher).sendToUser(userId('ada'), 'secret', 1)
  await client.settled()
  const answer = isSoketi(pusher) ? 'pusher_internal:subscription_succeeded' : 'pusher:error'
  expect(client.messages.map(({ event }) => event)).toContain(answer)
  expect(client.messages.map(({ event }) => event)).not.toContain('secret')
})

test('a signed-in user joins a presence channel without data of its own (soketi refuses it)', async ({ pusher }) => {
  const channel = `presence-${test.info().testId}`
  await using ada = await signIn(pusher, userId('ada'), { user_info: { name: 'Ada' } })
  const joined = ada.subscribe(channel)
  if (isSoketi(pusher)) return expect(joined).rejects.toMatchObject({ code: 'subscription_refused' })
  expect(await joined).toMatchObject({ members: { [userId('ada')]: { name: 'Ada' } } })
})

test.describe('Hotpath’s own server: watchlists', () => {
  const watchlistEvents = (subscriber: Subscriber): unknown[] =>
    subscriber.dataOf('', 'pusher_internal:watchlist_events').flatMap((data) => (data as { events: unknown[] }).events)

  test('a user hears who of his watchlist is online, who comes and who goes', async () => {
    await using server = await startPusherProcess({ apps: [{ watchlist: true }] })
    const target = { ...server, ...server.app }
    await using bob = await signIn(target, 'bob')
    await using ada = await signIn(target, 'ada', { watchlist: ['bob', 'cyd'] })
    await expect
      .poll(() => watchlistEvents(ada))
      .toEqual([
        { name: 'online', user_ids: ['bob'] },
        { name: 'offline', user_ids: ['cyd'] },
      ])
    await using bobAgain = await signIn(target, 'bob')
    await using cyd = await signIn(target, 'cyd')
    bob.client.disconnect()
    cyd.client.disconnect()
    await expect.poll(() => watchlistEvents(ada)).toHaveLength(4)
    bobAgain.client.disconnect()
    await expect.poll(() => watchlistEvents(ada)).toHaveLength(5)
    expect(watchlistEvents(ada).slice(2)).toEqual([
      { name: 'online', user_ids: ['cyd'] },
      { name: 'offline', user_ids: ['cyd'] },
      { name: 'offline', user_ids: ['bob'] },
    ])
    const emitted: unknown[] = []
    ada.client.user.watchlist.bind('online', (event: unknown) => emitted.push(event))
    await using bobOnceMore = await signIn(target, 'bob')
    await expect.poll(() => emitted).toEqual([{ name: 'online', user_ids: ['bob'] }])
    expect(bobOnceMore.errors).toEqual([])
  })

  test('of a longer watchlist the first hundred are watched, and an error 4302 says so', async () => {
    await using server = await startPusherProcess({ apps: [{ watchlist: true }] })
    const watchlist = Array.from({ length: 101 }, (_, number) => `user-${number}`)
    await using ada = await signIn({ ...server, ...server.app }, 'ada', { watchlist })
    await expect.poll(() => ada.errors.map(({ code }) => code)).toEqual([4302])
    expect(watchlistEvents(ada)).toEqual([{ name: 'offline', user_ids: watchlist.slice(0, 100) }])
  })

  test('an app that has not switched them on has none', async () => {
    await using server = await startPusherProcess()
    const target = { ...server, ...server.app }
    await using ada = await signIn(target, 'ada', { watchlist: ['bob'] })
    await using bob = await signIn(target, 'bob')
    await bob.subscribe('marker')
    await ada.subscribe('marker')
    expect(watchlistEvents(ada)).toEqual([])
  })
})
