import { connect, type Socket } from 'node:net'
import { expect, test } from '#fixtures/test.ts'
import { createPublisher, Subscriber, type PusherTarget } from '#fixtures/services/pusher/official-clients.ts'
import { RawClient } from '#fixtures/services/pusher/raw-client.ts'
import { startPusherProcess } from '#fixtures/services/pusher/start-pusher-process.ts'

/** What users of other servers have reported: soketi #19, pusher-js #4, laravel-echo #305, pusher-http-php #354. */

const join = (target: PusherTarget, id: string): Promise<Subscriber> =>
  Subscriber.connect(target, { member: { user_id: id } })

test.describe('Hotpath’s own server: clients in odd states', () => {
  test('a half-open connection of a user whose other connections come and stay is noticed by no other member', async () => {
    await using server = await startPusherProcess({ apps: [{ activityTimeoutMs: 300, pongTimeoutMs: 300 }] })
    const target = { ...server, ...server.app }
    await using watcher = await join(target, 'watcher')
    await watcher.subscribe('presence-a')
    await using first = await RawClient.connect(target)
    const member = { user_id: 'ada' }
    const subscription = createPublisher(target).authorizeChannel(first.socketId, 'presence-a', member)
    first.send({ event: 'pusher:subscribe', data: { channel: 'presence-a', ...subscription } })
    await first.received('pusher_internal:subscription_succeeded')
    // It answers nothing any more, and its end is not told.
    first.webSocket.pause()
    await using second = await join(target, 'ada')
    await second.subscribe('presence-a')
    await expect.poll(() => server.output.join('\n'), { timeout: 30_000 }).toContain(`${first.socketId} 4201`)
    await using again = await join(target, 'ada')
    await again.subscribe('presence-a')
    await using last = await join(target, 'last')
    await last.subscribe('presence-a')
    await expect
      .poll(() => watcher.dataOf('presence-a', 'pusher_internal:member_added'))
      .toMatchObject([{ user_id: 'ada' }, { user_id: 'last' }])
    expect(watcher.dataOf('presence-a', 'pusher_internal:member_removed')).toEqual([])
  })

  test('a socket with a hundred presence channels that closes leaves each of them', async () => {
    await using server = await startPusherProcess()
    const target = { ...server, ...server.app }
    const channels = Array.from({ length: 100 }, (_, index) => `presence-${index}`)
    await using watcher = await join(target, 'watcher')
    await using leaver = await join(target, 'leaver')
    for (const client of [watcher, leaver]) await Promise.all(channels.map((channel) => client.subscribe(channel)))
    leaver.client.disconnect()
    const left = () => channels.filter((one) => watcher.dataOf(one, 'pusher_internal:member_removed').length > 0)
    await expect.poll(() => left().length).toBe(channels.length)
    const removed = channels.flatMap((one) => watcher.dataOf(one, 'pusher_internal:member_removed'))
    expect(removed).toEqual(channels.map(() => ({ user_id: 'leaver' })))
  })

  test('a subscription and a client event in one packet are taken in their order', async () => {
    await using server = await startPusherProcess({ apps: [{ clientEvents: true }] })
    const target = { ...server, ...server.app }
    await using reader = await Subscriber.connect(target)
    await reader.subscribe('private-a')
    let socket: Socket | undefined
    await using author = await RawClient.connect(target, {
      createConnection: () => (socket = connect(target.port, target.host)),
    })
    const { auth } = createPublisher(target).authorizeChannel(author.socketId, 'private-a')
    socket?.cork()
    author.send({ event: 'pusher:subscribe', data: { channel: 'private-a', auth } })
    author.send({ event: 'client-typing', channel: 'private-a', data: { at: 7 } })
    expect(socket?.writableLength).toBeGreaterThan(0)
    socket?.uncork()
    await author.received('pusher_internal:subscription_succeeded')
    await expect.poll(() => reader.dataOf('private-a', 'client-typing')).toEqual([{ at: 7 }])
    expect(author.messages.filter(({ event }) => event === 'pusher:error')).toEqual([])
  })

  for (const id of ['a"b', "it's", 'a:b', 'a\\b', '😀', '{"id":1}', 'a/b?c#d', ' ']) {
    test(`a user with the id ${id === ' ' ? 'of one blank' : id} is a member, hears what is sent to him, and can be sent away`, async () => {
      await using server = await startPusherProcess()
      const target = { ...server, ...server.app }
      await using watcher = await join(target, 'watcher')
      await watcher.subscribe('presence-a')
      await using odd = await Subscriber.connect(target, { member: { user_id: id }, user: { id } })
      await odd.signIn()
      await odd.subscribe('presence-a')
      const publisher = createPublisher(target)
      const listed = await publisher.get({ path: '/channels/presence-a/users' })
      expect(await listed.json()).toEqual({ users: [{ id: 'watcher' }, { id }] })
      await publisher.sendToUser(id, 'hello', 1)
      await expect.poll(() => odd.dataOf(`#server-to-user-${id}`, 'hello')).toEqual([1])
      await publisher.terminateUserConnections(encodeURIComponent(id))
      await odd.whenState('disconnected')
      await expect.poll(() => watcher.dataOf('presence-a', 'pusher_internal:member_removed')).toEqual([{ user_id: id }])
    })
  }
})
