import { expect, test } from '#fixtures/test.ts'
import { createPublisher, Subscriber } from '#fixtures/services/pusher/official-clients.ts'
import { startPusherProcess, type PusherProcess } from '#fixtures/services/pusher/start-pusher-process.ts'

const metrics = async (server: PusherProcess): Promise<string> => (await fetch(`${server.url}/metrics`)).text()

test.describe('Hotpath’s own server: apps and their settings', () => {
  test('channels, presence, caches and users of the same name in two apps do not meet', async () => {
    await using server = await startPusherProcess({ apps: [{}, {}] })
    const [mine, theirs] = server.apps.map((app) => ({ ...server, ...app }))
    const options = { member: { user_id: 'ada' }, user: { id: 'ada' } }
    await using subscriber = await Subscriber.connect(mine!, options)
    await using stranger = await Subscriber.connect(theirs!, options)
    for (const name of ['a', 'presence-a']) {
      await subscriber.subscribe(name)
      await stranger.subscribe(name)
    }
    await subscriber.signIn()
    await stranger.signIn()
    const publisher = createPublisher(theirs!)
    await publisher.trigger(['a', 'presence-a', 'cache-a'], 'news', 1)
    await publisher.sendToUser('ada', 'news', 1)
    await publisher.terminateUserConnections('ada')
    await stranger.whenState('disconnected')
    await subscriber.subscribe('cache-a')
    await expect.poll(() => subscriber.dataOf('cache-a', 'pusher:cache_miss')).toHaveLength(1)
    expect(subscriber.events.filter(({ event }) => event === 'news')).toEqual([])
    expect(subscriber.client.connection.state).toBe('connected')
  })

  test('a disabled app is refused with 403, and one over its quota too', async () => {
    await using server = await startPusherProcess({ apps: [{ enabled: false }, { dailyMessageQuota: 1 }] })
    const [disabled, limited] = server.apps.map((app) => createPublisher({ ...server, ...app }))
    await expect(disabled!.trigger('a', 'e', 1)).rejects.toMatchObject({ status: 403 })
    await limited!.trigger('a', 'e', 1)
    await expect(limited!.trigger('a', 'e', 1)).rejects.toMatchObject({ status: 403 })
  })

  test('the rate limit that a test switches on answers 429 with Retry-After, and no app has one by itself', async () => {
    await using server = await startPusherProcess({ apps: [{ maxEventsPerSecond: 5 }, {}] })
    const [limited, plain] = server.apps.map((app) => createPublisher({ ...server, ...app }))
    const batch = () => Array.from({ length: 10 }, () => ({ channel: 'a', name: 'e', data: 1 }))
    await expect(limited!.triggerBatch(batch())).rejects.toMatchObject({ status: 429 })
    await limited!.trigger('a', 'e', 1)
    await Promise.all(Array.from({ length: 200 }, () => plain!.triggerBatch(batch())))
  })

  test('a relaxed app takes what a strict one refuses', async () => {
    await using server = await startPusherProcess({ apps: [{ mode: 'relaxed' }, { mode: 'strict' }] })
    const [relaxed, strict] = server.apps.map((app) => createPublisher({ ...server, ...app }))
    for (const [channel, data] of [
      ['a'.repeat(200), 1],
      ['a', 'x'.repeat(50_000)],
    ] as const) {
      await relaxed!.trigger(channel, 'e', data)
      await expect(strict!.trigger(channel, 'e', data)).rejects.toMatchObject({ status: expect.any(Number) })
    }
  })

  test('the metrics count what happens, app by app', async () => {
    await using server = await startPusherProcess({ apps: [{ id: 'one' }, { id: 'two' }] })
    const target = { ...server, ...server.app }
    await using first = await Subscriber.connect(target)
    await using second = await Subscriber.connect(target)
    for (const subscriber of [first, second]) await subscriber.subscribe('a')
    await createPublisher(target).trigger('a', 'e', 1)
    await expect(createPublisher({ ...target, secret: 'wrong' }).trigger('a', 'e', 1)).rejects.toMatchObject({
      status: 401,
    })
    const text = await metrics(server)
    for (const line of [
      'pusher_connections{app="one"} 2',
      'pusher_connections{app="two"} 0',
      'pusher_channels{app="one"} 1',
      'pusher_events_total{app="one"} 1',
      'pusher_deliveries_total{app="one"} 2',
      'pusher_http_requests_total{status="401"} 1',
    ]) {
      expect(text).toContain(line)
    }
  })

  test('every refusal is one line of the log, without secrets', async () => {
    await using server = await startPusherProcess()
    const target = { ...server, ...server.app }
    await expect(createPublisher({ ...target, secret: 'wrong' }).trigger('a', 'e', 1)).rejects.toMatchObject({
      status: 401,
    })
    await using subscriber = await Subscriber.connect(target)
    subscriber.client.send_event('pusher:subscribe', { channel: 'private-a', auth: `${target.key}:forged` })
    await expect.poll(() => server.output.join('\n')).toMatch(/refused app 1 socket [\d.]+: Invalid signature/)
    expect(server.output.join('\n')).toMatch(/refused POST \/apps\/1\/events 401: Invalid signature/)
    expect(server.output.join('\n')).not.toContain(target.secret)
  })
})
