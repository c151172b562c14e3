import { expect, test } from '#fixtures/test.ts'
import { isSoketi } from '#fixtures/services/pusher/is-soketi.ts'
import { createPublisher, Subscriber } from '#fixtures/services/pusher/official-clients.ts'
import { RawClient } from '#fixtures/services/pusher/raw-client.ts'
import { startPusherProcess } from '#fixtures/services/pusher/start-pusher-process.ts'

const member = { user_id: 'ada', user_info: {} }

for (const prefix of ['cache-', 'private-cache-', 'private-encrypted-cache-', 'presence-cache-']) {
  test(`a ${prefix} channel gives a new subscriber its last event first`, async ({ pusher }) => {
    const channel = `${prefix}${test.info().testId}`
    const publisher = createPublisher(pusher)
    await publisher.trigger(channel, 'state', { version: 1 })
    await publisher.trigger(channel, 'state', { version: 2 })
    await using subscriber = new Subscriber(pusher, { member })
    const seen: unknown[] = []
    const subscription = subscriber.client.subscribe(channel)
    subscription.bind_global((event: string, data: unknown) => {
      if (event !== 'pusher:subscription_succeeded') seen.push([event, data])
    })
    await expect.poll(() => seen).toEqual([['state', { version: 2 }]])
    await publisher.trigger(channel, 'state', { version: 3 })
    await expect.poll(() => seen.length).toBe(2)
    expect(seen[1]).toEqual(['state', { version: 3 }])
  })

  test(`an empty ${prefix} channel tells a new subscriber so`, async ({ pusher }) => {
    const channel = `${prefix}${test.info().testId}`
    await using subscriber = await Subscriber.connect(pusher, { member })
    await subscriber.subscribe(channel)
    await expect.poll(() => subscriber.dataOf(channel, 'pusher:cache_miss')).toHaveLength(1)
  })
}

test('a client event is not what a cache channel remembers', async ({ pusher }) => {
  const channel = `private-cache-${test.info().testId}`
  const publisher = createPublisher(pusher)
  await publisher.trigger(channel, 'state', 'of the server')
  await using author = await Subscriber.connect(pusher)
  await author.subscribe(channel)
  await using reader = await Subscriber.connect(pusher)
  await reader.subscribe(channel)
  author.channel(channel).trigger('client-state', 'of a client')
  await expect.poll(() => reader.dataOf(channel, 'client-state')).toEqual(['of a client'])
  await using later = await Subscriber.connect(pusher)
  await later.subscribe(channel)
  await expect.poll(() => later.dataOf(channel, 'state')).toEqual(['of the server'])
  expect(later.dataOf(channel, 'client-state')).toEqual([])
})

test('a channel with cache- inside its name remembers nothing (soketi does)', async ({ pusher }) => {
  const channel = `my-cache-${test.info().testId}`
  const publisher = createPublisher(pusher)
  await publisher.trigger(channel, 'state', 'missed')
  await using subscriber = await Subscriber.connect(pusher)
  await subscriber.subscribe(channel)
  await publisher.trigger(channel, 'state', 'live')
  const seen = isSoketi(pusher) ? ['missed', 'live'] : ['live']
  await expect.poll(() => subscriber.dataOf(channel, 'state')).toEqual(seen)
  expect(subscriber.dataOf(channel, 'pusher:cache_miss')).toEqual([])
})

test('Hotpath’s own server: a cache miss has data, like every event of the protocol', async () => {
  await using server = await startPusherProcess()
  await using client = await RawClient.connect({ ...server, ...server.app })
  client.send({ event: 'pusher:subscribe', data: { channel: 'cache-a' } })
  expect(await client.received('pusher:cache_miss')).toEqual({
    event: 'pusher:cache_miss',
    channel: 'cache-a',
    data: '{}',
  })
})
