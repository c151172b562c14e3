import { createHmac } from 'node:crypto'
import { expect, test } from '#fixtures/test.ts'
import { createPublisher, Subscriber, type PusherTarget } from '#fixtures/services/pusher/official-clients.ts'
import { RawClient } from '#fixtures/services/pusher/raw-client.ts'
import { startPusherProcess } from '#fixtures/services/pusher/start-pusher-process.ts'

const nameFor = (prefix: string): string => `${prefix}${test.info().testId}`

const join = (pusher: PusherTarget, id: string, info: Record<string, unknown> = {}): Promise<Subscriber> =>
  Subscriber.connect(pusher, { member: { user_id: id, user_info: info } })

const users = async (pusher: PusherTarget, channel: string): Promise<unknown> =>
  (await createPublisher(pusher).get({ path: `/channels/${channel}/users` })).json()

test('who joins is told who is there, and those who are there are told who joins', async ({ pusher }) => {
  const channel = nameFor('presence-')
  await using ada = await join(pusher, 'ada', { name: 'Ada' })
  await ada.subscribe(channel)
  await using bob = await join(pusher, 'bob', { name: 'Bob' })
  const members = await bob.subscribe(channel)
  expect(members).toMatchObject({
    count: 2,
    members: { ada: { name: 'Ada' }, bob: { name: 'Bob' } },
    me: { id: 'bob', info: { name: 'Bob' } },
  })
  await expect
    .poll(() => ada.dataOf(channel, 'pusher_internal:member_added'))
    .toEqual([{ user_id: 'bob', user_info: { name: 'Bob' } }])
  expect(bob.dataOf(channel, 'pusher_internal:member_added')).toEqual([])
  expect(await users(pusher, channel)).toEqual({ users: [{ id: 'ada' }, { id: 'bob' }] })
})

test('a user comes with his first connection and goes with his last', async ({ pusher }) => {
  const channel = nameFor('presence-')
  await using watcher = await join(pusher, 'watcher')
  await watcher.subscribe(channel)
  await using first = await join(pusher, 'ada')
  await using second = await join(pusher, 'ada')
  await first.subscribe(channel)
  expect(await second.subscribe(channel)).toMatchObject({ count: 2 })
  first.client.disconnect()
  await using later = await join(pusher, 'later')
  await later.subscribe(channel)
  await expect.poll(() => watcher.dataOf(channel, 'pusher_internal:member_added')).toHaveLength(2)
  second.client.unsubscribe(channel)
  await expect.poll(() => watcher.dataOf(channel, 'pusher_internal:member_removed')).toEqual([{ user_id: 'ada' }])
  expect(watcher.dataOf(channel, 'pusher_internal:member_added')).toMatchObject([
    { user_id: 'ada' },
    { user_id: 'later' },
  ])
  expect(await users(pusher, channel)).toEqual({ users: [{ id: 'watcher' }, { id: 'later' }] })
})

test('the user count is of users, not of connections', async ({ pusher }) => {
  const channel = nameFor('presence-')
  await using first = await join(pusher, 'ada')
  await using second = await join(pusher, 'ada')
  await using other = await join(pusher, 'bob')
  for (const member of [first, second, other]) await member.subscribe(channel)
  const one = await createPublisher(pusher).get({ path: `/channels/${channel}`, params: { info: 'user_count' } })
  expect(await one.json()).toMatchObject({ occupied: true, user_count: 2 })
})

test('events on a presence channel reach its members', async ({ pusher }) => {
  const channel = nameFor('presence-')
  await using ada = await join(pusher, 'ada')
  await ada.subscribe(channel)
  await createPublisher(pusher).trigger(channel, 'news', { a: 1 })
  await expect.poll(() => ada.dataOf(channel, 'news')).toEqual([{ a: 1 }])
})

test('Hotpath’s own server: user ids that are numbers stay distinct beyond 2^53, and are what was signed', async () => {
  await using server = await startPusherProcess()
  const target = { ...server, ...server.app }
  const publisher = createPublisher(target)
  await using stack = new AsyncDisposableStack()
  const written = ['7', '9007199254740992', '9007199254740993', '12345678901234567890123']
  for (const id of written) {
    const client = stack.use(await RawClient.connect(target))
    const channelData = `{"user_info":{"user_id":1},"user_id":${id}}`
    const signature = createHmac('sha256', target.secret)
      .update(`${client.socketId}:presence-a:${channelData}`)
      .digest('hex')
    const data = { channel: 'presence-a', auth: `${target.key}:${signature}`, channel_data: channelData }
    client.send({ event: 'pusher:subscribe', data })
    await client.received('pusher_internal:subscription_succeeded')
  }
  const { users: ids } = (await (await publisher.get({ path: '/channels/presence-a/users' })).json()) as {
    users: { id: string }[]
  }
  expect(ids.map(({ id }) => id)).toEqual(written)
})
