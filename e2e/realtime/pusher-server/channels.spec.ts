import { expect, test } from '#fixtures/test.ts'
import { createPublisher, Subscriber } from '#fixtures/services/pusher/official-clients.ts'

/** A name that no other test uses: all tests of a worker share an app. */
const nameFor = (prefix: string): string => `${prefix}${test.info().testId}`

for (const prefix of ['', 'private-']) {
  const kind = prefix === '' ? 'public' : 'private'

  test(`an event on a ${kind} channel reaches its subscribers with its data as it was sent`, async ({ pusher }) => {
    const channel = nameFor(prefix)
    await using subscriber = await Subscriber.connect(pusher)
    await subscriber.subscribe(channel)
    const data = { text: 'Grüße, 世界 😀 "quoted" \\ \u2028', list: [1, null, true] }
    await createPublisher(pusher).trigger(channel, 'news', data)
    await expect.poll(() => subscriber.dataOf(channel, 'news')).toEqual([data])
  })
}

test('an event on an encrypted channel reaches its subscribers decrypted', async ({ pusher }) => {
  const channel = nameFor('private-encrypted-')
  await using subscriber = await Subscriber.connect(pusher)
  await subscriber.subscribe(channel)
  const decrypted: unknown[] = []
  subscriber.channel(channel).bind('news', (data: unknown) => decrypted.push(data))
  await createPublisher(pusher).trigger(channel, 'news', { secret: 42 })
  await expect.poll(() => decrypted).toEqual([{ secret: 42 }])
  expect(subscriber.dataOf(channel, 'news')).toEqual([{ nonce: expect.any(String), ciphertext: expect.any(String) }])
})

test('the events of one publisher arrive in the order of its requests', async ({ pusher }) => {
  const channel = nameFor('')
  await using subscriber = await Subscriber.connect(pusher)
  await subscriber.subscribe(channel)
  const publisher = createPublisher(pusher)
  const sent = Array.from({ length: 50 }, (_, number) => number)
  for (const number of sent) await publisher.trigger(channel, 'count', number)
  await expect.poll(() => subscriber.dataOf(channel, 'count')).toEqual(sent)
})

test('an event for several channels comes once on each of them', async ({ pusher }) => {
  const channels = ['a-', 'b-', 'c-'].map(nameFor)
  await using subscriber = await Subscriber.connect(pusher)
  for (const channel of channels) await subscriber.subscribe(channel)
  await createPublisher(pusher).trigger([...channels, nameFor('nobody-')], 'news', 1)
  await createPublisher(pusher).trigger(channels, 'last', 2)
  for (const channel of channels) await expect.poll(() => subscriber.dataOf(channel, 'last')).toEqual([2])
  expect(subscriber.events.filter(({ event }) => event === 'news').map(({ channel }) => channel)).toEqual(channels)
})

test('the events of a batch arrive in its order', async ({ pusher }) => {
  const channel = nameFor('')
  await using subscriber = await Subscriber.connect(pusher)
  await subscriber.subscribe(channel)
  const batch = Array.from({ length: 10 }, (_, number) => ({ channel, name: 'count', data: number }))
  await createPublisher(pusher).triggerBatch(batch)
  await expect.poll(() => subscriber.dataOf(channel, 'count')).toHaveLength(10)
  expect(subscriber.dataOf(channel, 'count')).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
})

test('the excluded socket gets nothing, the others do', async ({ pusher }) => {
  const channel = nameFor('')
  await using author = await Subscriber.connect(pusher)
  await using reader = await Subscriber.connect(pusher)
  await author.subscribe(channel)
  await reader.subscribe(channel)
  const publisher = createPublisher(pusher)
  await publisher.trigger(channel, 'edit', 1, { socket_id: author.socketId })
  await publisher.trigger(channel, 'edit', 2)
  await expect.poll(() => author.dataOf(channel, 'edit')).toEqual([2])
  await expect.poll(() => reader.dataOf(channel, 'edit')).toEqual([1, 2])
})

test('who unsubscribed gets nothing more, and may subscribe again', async ({ pusher }) => {
  const channel = nameFor('')
  const marker = nameFor('marker-')
  await using subscriber = await Subscriber.connect(pusher)
  await subscriber.subscribe(channel)
  await subscriber.subscribe(marker)
  const publisher = createPublisher(pusher)
  subscriber.client.unsubscribe(channel)
  await expect
    .poll(async () => (await (await publisher.get({ path: `/channels/${channel}` })).json()) as unknown)
    .toMatchObject({
      occupied: false,
    })
  await publisher.trigger(channel, 'news', 'missed')
  await publisher.trigger(marker, 'news', 'after')
  await expect.poll(() => subscriber.dataOf(marker, 'news')).toEqual(['after'])
  expect(subscriber.dataOf(channel, 'news')).toEqual([])
  await subscriber.subscribe(channel)
  await publisher.trigger(channel, 'news', 'back')
  await expect.poll(() => subscriber.dataOf(channel, 'news')).toEqual(['back'])
})

test('a hundred channels of one connection are a hundred subscriptions', async ({ pusher }) => {
  const names = Array.from({ length: 100 }, (_, number) => nameFor(`n${number}-`))
  await using subscriber = await Subscriber.connect(pusher)
  await Promise.all(names.map((name) => subscriber.subscribe(name)))
  await createPublisher(pusher).trigger(names, 'all', 1)
  await expect.poll(() => subscriber.events.filter(({ event }) => event === 'all').length).toBe(100)
})
