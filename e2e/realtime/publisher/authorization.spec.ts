import { expect, test } from '#fixtures/test.ts'
import { connectPusherListener } from '#fixtures/doubles/pusher-listener.ts'
import { startPusherPage } from '#fixtures/doubles/pusher-page.ts'
import { parseApps } from '#fixtures/services/pusher/server/app-settings.ts'
import { startPusherServer } from '#fixtures/services/pusher/server/server.ts'
import { createBatchAuthorizer } from '#optimizations/pusher/client/batch-authorizer.js'
import { createChannelAuthorizer, type ChannelUser } from '#optimizations/pusher/channel-authorization.ts'
import { startPublisher } from '#optimizations/pusher/start-publisher.ts'

const counts = (length: number): number[] => Array.from({ length }, (_, n) => n)

test('forty private channels of a page are subscribed with one request, and again after a reconnect', async ({
  pusher,
}) => {
  const authorizer = createChannelAuthorizer({ app: pusher, policy: async () => true })
  await using page = await startPusherPage(authorizer, { id: 'user-1' })
  const customHandler = createBatchAuthorizer({ endpoint: page.endpoint })
  await using listener = await connectPusherListener({
    pusher,
    channelAuthorization: { transport: 'ajax', endpoint: '', customHandler },
  })
  const channels = counts(40).map((n) => `private-page-${n}`)
  await listener.subscribe(...channels)
  expect(page.questions.map(({ channel_names: names }) => names.length)).toEqual([40])
  const first = listener.socketId
  listener.client.disconnect()
  listener.client.connect()
  await expect.poll(() => page.questions.length).toBe(2)
  expect(page.questions[1]?.channel_names).toHaveLength(40)
  expect(page.questions[1]?.socket_id).not.toBe(first)
  await expect.poll(() => listener.client.channels.all().every(({ subscribed }) => subscribed)).toBe(true)
  expect(authorizer.stats()).toMatchObject({ signed: 80, policyCalls: 40 })
})

test('the server takes what the policy allows, and the refused channel alone stays out', async ({ pusher }) => {
  const policy = async ({ id }: ChannelUser, channel: string) => channel.endsWith(id)
  const authorizer = createChannelAuthorizer({ app: pusher, policy })
  await using page = await startPusherPage(authorizer, { id: 'user-1' })
  await using listener = await connectPusherListener({
    pusher,
    channelAuthorization: {
      transport: 'ajax',
      endpoint: '',
      customHandler: createBatchAuthorizer({ endpoint: page.endpoint }),
    },
  })
  const [mine, others] = await Promise.allSettled([
    listener.subscribe('private-of-user-1'),
    listener.subscribe('private-of-user-2'),
  ])
  expect([mine.status, others.status]).toEqual(['fulfilled', 'rejected'])
})

test('a signature for one socket does not open the channel to another', async ({ pusher }) => {
  const authorizer = createChannelAuthorizer({ app: pusher, policy: async () => true })
  await using rightful = await connectPusherListener({ pusher })
  const stolen = await authorizer.authorize({ id: 'user-1' }, rightful.socketId, 'private-secret')
  await using thief = await connectPusherListener({ pusher, authorize: async () => stolen })
  await expect(Promise.race([thief.subscribe('private-secret'), refusedSoon(thief.client)])).rejects.toThrow()
})

test('a member of a presence channel is who signed in, whatever the page claims', async ({ pusher }) => {
  const authorizer = createChannelAuthorizer({ app: pusher, policy: async () => ({ userInfo: { name: 'Ada' } }) })
  const authorize = (socketId: string, channel: string) => authorizer.authorize({ id: 'user-1' }, socketId, channel)
  await using honest = await connectPusherListener({ pusher, authorize })
  await honest.subscribe('presence-room')
  await using publisher = await startPublisher({ app: pusher })
  expect(await publisher.channels.users('presence-room')).toEqual(['user-1'])
  expect(await publisher.channels.info('presence-room')).toMatchObject({ occupied: true, userCount: 1 })
  await using liar = await connectPusherListener({
    pusher,
    authorize: async (socketId, channel) => {
      const signed = await authorize(socketId, channel)
      return { ...signed, channel_data: JSON.stringify({ user_id: 'admin-1', user_info: {} }) }
    },
  })
  await expect(Promise.race([liar.subscribe('presence-room'), refusedSoon(liar.client)])).rejects.toThrow()
  expect(await publisher.channels.users('presence-room')).toEqual(['user-1'])
})

/** Rejects when the server says that something is wrong: not every server names the channel that it refuses. */
function refusedSoon(client: Awaited<ReturnType<typeof connectPusherListener>>['client']): Promise<void> {
  return new Promise((_resolve, reject) => {
    client.connection.bind('error', (fault: unknown) => reject(new Error(JSON.stringify(fault))))
  })
}

test('a signed-in user is watched by those who may, and put out on command', async () => {
  const [settings] = parseApps([{ id: '7', key: 'watch-key', secret: 'watch-secret', watchlist: true }])
  await using server = await startPusherServer(
    { host: '127.0.0.1', port: 0, apps: settings === undefined ? [] : [settings], maxConnections: 100 },
    { writeLine: () => undefined },
  )
  const pusher = { appId: '7', key: 'watch-key', secret: 'watch-secret', host: server.host, port: server.port }
  const authorizer = createChannelAuthorizer<ChannelUser>({ app: pusher, policy: async () => true })
  const signIn = (id: string, watchlist: readonly string[]) =>
    connectPusherListener({
      pusher,
      userAuthentication: {
        transport: 'ajax',
        endpoint: '',
        customHandler: ({ socketId }, callback) =>
          callback(null, authorizer.authenticateUser({ id }, socketId, { watchlist })),
      },
    })
  await using watcher = await signIn('watcher', ['watched'])
  const seen: string[] = []
  watcher.client.user.watchlist.bind('online', () => seen.push('online'))
  watcher.client.user.watchlist.bind('offline', () => seen.push('offline'))
  watcher.client.signin()
  await expect.poll(() => seen).toEqual(['offline'])
  await using watched = await signIn('watched', [])
  watched.client.signin()
  await expect.poll(() => seen).toEqual(['offline', 'online'])
  await using publisher = await startPublisher({ app: pusher })
  await publisher.channels.terminateConnections('watched')
  await expect.poll(() => seen).toEqual(['offline', 'online', 'offline'])
  await expect.poll(() => watched.client.connection.state).toBe('disconnected')
})
