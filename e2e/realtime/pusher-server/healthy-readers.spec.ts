import { expect, test } from '#fixtures/test.ts'
import { createPublisher, type PusherTarget } from '#fixtures/services/pusher/official-clients.ts'
import { RawClient } from '#fixtures/services/pusher/raw-client.ts'
import { startPusherProcess } from '#fixtures/services/pusher/start-pusher-process.ts'

async function subscribe(client: RawClient, target: PusherTarget, channel: string, userId?: string): Promise<void> {
  const member = userId === undefined ? undefined : { user_id: userId, user_info: { about: 'x'.repeat(15_000) } }
  const auth = member === undefined ? {} : createPublisher(target).authorizeChannel(client.socketId, channel, member)
  client.send({ event: 'pusher:subscribe', data: { channel, ...auth } })
  await client.received('pusher_internal:subscription_succeeded', (message) => message.channel === channel)
}

test.describe('Hotpath’s own server: who reads is not cut off', () => {
  test('one publish to a hundred channels, each event as long as it grows, arrives whole on one connection', async () => {
    await using server = await startPusherProcess()
    const target = { ...server, ...server.app }
    await using client = await RawClient.connect(target)
    const channels = Array.from({ length: 100 }, (_, number) => `channel-${number}`)
    for (const channel of channels) await subscribe(client, target, channel)
    // Two megabytes, because each quote is escaped in the frame.
    await createPublisher(target).trigger(channels, 'news', '"'.repeat(10_000))
    await client.settled()
    const news = client.messages.filter(({ event }) => event === 'news')
    expect(news.map(({ channel }) => channel)).toEqual(channels)
  })

  test('who joins a presence channel whose members fill three megabytes gets all of them', async () => {
    await using server = await startPusherProcess({ apps: [{ mode: 'relaxed' }] })
    const target = { ...server, ...server.app }
    const members = 200
    await using joined = new AsyncDisposableStack()
    for (let number = 1; number < members; number += 1) {
      await subscribe(joined.use(await RawClient.connect(target)), target, 'presence-a', `user-${number}`)
    }
    await using last = await RawClient.connect(target)
    await subscribe(last, target, 'presence-a', 'last')
    const { data } = await last.received('pusher_internal:subscription_succeeded')
    const { presence } = JSON.parse(String(data)) as { presence: { ids: string[]; count: number } }
    expect([presence.count, presence.ids.length]).toEqual([members, members])
    await last.settled()
  })
})
