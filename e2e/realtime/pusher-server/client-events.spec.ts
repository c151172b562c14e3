import { expect, test } from '#fixtures/test.ts'
import { Subscriber } from '#fixtures/services/pusher/official-clients.ts'

const nameFor = (prefix: string): string => `${prefix}${test.info().testId}`

test('a client event reaches the other subscribers and not its sender', async ({ pusher }) => {
  const channel = nameFor('private-')
  await using author = await Subscriber.connect(pusher)
  await using reader = await Subscriber.connect(pusher)
  await author.subscribe(channel)
  await reader.subscribe(channel)
  author.channel(channel).trigger('client-typing', { at: 7 })
  await expect.poll(() => reader.dataOf(channel, 'client-typing')).toEqual([{ at: 7 }])
  reader.channel(channel).trigger('client-seen', {})
  await expect.poll(() => author.dataOf(channel, 'client-seen')).toHaveLength(1)
  expect(author.dataOf(channel, 'client-typing')).toEqual([])
})

test('on a presence channel a client event names its sender', async ({ pusher }) => {
  const channel = nameFor('presence-')
  await using ada = await Subscriber.connect(pusher, { member: { user_id: 'ada' } })
  await using bob = await Subscriber.connect(pusher, { member: { user_id: 'bob' } })
  await ada.subscribe(channel)
  await bob.subscribe(channel)
  const senders: unknown[] = []
  bob
    .channel(channel)
    .bind('client-typing', (_data: unknown, { user_id }: { user_id?: string }) => senders.push(user_id))
  ada.channel(channel).trigger('client-typing', { user_id: 'mallory' })
  await expect.poll(() => senders).toEqual(['ada'])
})

test('more than ten client events a second are refused with 4301, and the connection stays', async ({ pusher }) => {
  const channel = nameFor('private-')
  await using author = await Subscriber.connect(pusher)
  await using reader = await Subscriber.connect(pusher)
  await author.subscribe(channel)
  await reader.subscribe(channel)
  for (let number = 0; number < 200; number += 1) author.channel(channel).trigger('client-flood', number)
  await expect.poll(() => author.errors.filter(({ code }) => code === 4301).length).toBeGreaterThan(100)
  expect(author.client.connection.state).toBe('connected')
  const received = reader.dataOf(channel, 'client-flood')
  expect(received.slice(0, 10)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
})
