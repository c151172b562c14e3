import { expect, test } from '#fixtures/test.ts'
import { createPublisher } from '#fixtures/services/pusher/official-clients.ts'
import { RawClient } from '#fixtures/services/pusher/raw-client.ts'
import { startPusherProcess, type PusherProcess } from '#fixtures/services/pusher/start-pusher-process.ts'

const MEBIBYTE = 1_048_576

/** The value of one metric of the server. */
async function metric(server: PusherProcess, name: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text()
  const line = text.split('\n').find((one) => one.startsWith(`${name}{`))
  return Number(line?.split(' ').at(-1) ?? Number.NaN)
}

test.describe('Hotpath’s own server: memory', () => {
  // A heap in which the traces of a tenth of the channels would not fit.
  const nodeArgs = ['--max-old-space-size=40']

  test('a million short-lived channels leave no trace', async ({ intensity }) => {
    test.setTimeout(300_000)
    await using server = await startPusherProcess({ nodeArgs, apps: [{ subscriptionCount: true }] })
    const target = { ...server, ...server.app }
    const publisher = createPublisher(target)
    const clients = await Promise.all(Array.from({ length: 4 }, () => RawClient.connect(target)))
    const kinds = ['', 'private-', 'presence-', 'cache-']
    const channels = Math.ceil(1_000_000 * intensity)
    for (let number = 0; number < channels; number += 1) {
      const client = clients[number % clients.length]!
      const channel = `${kinds[(number >> 2) % kinds.length]}short-lived-${number}`
      const needsAuth = channel.startsWith('p')
      const member = channel.startsWith('presence-') ? { user_id: `user-${number}` } : undefined
      const auth = needsAuth ? publisher.authorizeChannel(client.socketId, channel, member) : {}
      client.send({ event: 'pusher:subscribe', data: { channel, ...auth } })
      client.send({ event: 'pusher:unsubscribe', data: { channel } })
      if (number % 5_000 !== 4_999) continue
      await Promise.all(clients.map((one) => one.settled()))
      for (const one of clients) one.messages.splice(1)
    }
    await Promise.all(clients.map((one) => one.settled()))
    for (const { messages } of clients) expect(messages.filter(({ event }) => event === 'pusher:error')).toEqual([])
    expect(await metric(server, 'pusher_channels')).toBe(0)
    await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()))
    await expect.poll(() => metric(server, 'pusher_connections')).toBe(0)
  })

  test('the events of any number of cache channels stay within their bound', async ({ intensity }) => {
    test.setTimeout(120_000)
    await using server = await startPusherProcess({ nodeArgs, apps: [{ maxCachedBytes: MEBIBYTE }] })
    const publisher = createPublisher({ ...server, ...server.app })
    const requests = Math.ceil(3_000 * intensity)
    for (let request = 0; request < requests; request += 1) {
      const channels = Array.from({ length: 100 }, (_, number) => `cache-${request}-${number}`)
      await publisher.trigger(channels, 'state', 'x'.repeat(1_000))
    }
    const cached = await metric(server, 'pusher_cached_events')
    expect(cached).toBeGreaterThan(100)
    expect(cached).toBeLessThan(1_000)
  })

  test('users and their watchlists go with their connections', async ({ intensity }) => {
    test.setTimeout(120_000)
    await using server = await startPusherProcess({ nodeArgs, apps: [{ watchlist: true }] })
    const target = { ...server, ...server.app }
    const publisher = createPublisher(target)
    for (let number = 0; number < 2_000 * intensity; number += 1) {
      await using client = await RawClient.connect(target)
      const watchlist = Array.from({ length: 100 }, (_, index) => `user-${number}-${index}`)
      const user = publisher.authenticateUser(client.socketId, { id: `user-${number}`, watchlist })
      client.send({ event: 'pusher:signin', data: user })
      await client.received('pusher:signin_success')
    }
    await expect.poll(() => metric(server, 'pusher_users')).toBe(0)
    expect(await metric(server, 'pusher_connections')).toBe(0)
  })

  test('subscribers that do not read are cut off in seconds, and neither memory nor the others suffer', async () => {
    await using server = await startPusherProcess()
    const target = { ...server, ...server.app }
    const publisher = createPublisher(target)
    const readers = await Promise.all(Array.from({ length: 21 }, () => RawClient.connect(target)))
    for (const reader of readers) {
      reader.send({ event: 'pusher:subscribe', data: { channel: 'a' } })
      await reader.received('pusher_internal:subscription_succeeded')
    }
    const [attentive, ...deaf] = readers
    for (const reader of deaf) reader.webSocket.pause()
    const before = await metric(server, 'process_memory_bytes')
    let sent = 0
    // What the kernel takes for a socket differs from machine to machine, and five seconds are given to whoever is behind.
    while ((await metric(server, 'pusher_connections')) > 1) {
      for (let number = 0; number < 50; number += 1) await publisher.trigger('a', 'news', 'x'.repeat(10_000))
      sent += 50
      expect(sent).toBeLessThan(10_000)
    }
    const after = await metric(server, 'process_memory_bytes')
    expect(await metric(server, 'pusher_overflows_total')).toBe(20)
    expect(after - before).toBeLessThan(100 * MEBIBYTE)
    await attentive!.settled()
    expect(attentive!.messages.filter(({ event }) => event === 'news')).toHaveLength(sent)
    await Promise.all(readers.map((reader) => reader[Symbol.asyncDispose]()))
  })
})
