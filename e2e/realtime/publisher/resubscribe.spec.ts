import { startPusherPage } from '#fixtures/doubles/pusher-page.ts'
import { expect, test } from '#fixtures/test.ts'
import { createChannelAuthorizer, type ChannelUser } from '#optimizations/pusher/channel-authorization.ts'
import { createPusherLibrary } from '#optimizations/pusher/pusher-app.ts'

const CHANNEL = 'private-fickle'

/** Runs in the page: the channel is joined, left and joined again within 5 ms, so many times, each with a listener. */
const FICKLE = `(async () => {
  const { client, guard, state } = window
  let watched
  const join = () => {
    watched = guard.watch(client.subscribe('${CHANNEL}'))
    watched.bind('told', ({ n }) => (state.heard['${CHANNEL}'] ??= []).push(n))
  }
  const leave = () => {
    watched.stop()
    client.unsubscribe('${CHANNEL}')
  }
  for (let round = 0; round < 200; round += 1) {
    if (round > 0) leave()
    join()
    leave()
    join()
    await new Promise((resolve) => setTimeout(resolve, round % 5))
  }
})()`

test('a channel that is joined, left and joined again within 5 ms, 200 times, is one subscription, and each event one callback', async ({
  page,
  pusher,
}) => {
  const authorizer = createChannelAuthorizer<ChannelUser>({ app: pusher, policy: async () => true })
  await using served = await startPusherPage(authorizer, { id: 'user-1' })
  await page.goto(served.url)
  const { key, host, port } = pusher
  await page.evaluate(`window.listen(${JSON.stringify({ key, host, port, channels: ['private-steady'] })})`)
  await page.evaluate(FICKLE)

  const library = createPusherLibrary(pusher)
  const heard = (): Promise<unknown> => page.evaluate(`window.state.heard['${CHANNEL}'] ?? []`)
  const isSubscribed = `window.client.channel('${CHANNEL}')?.subscribed`
  await expect.poll(() => page.evaluate(isSubscribed)).toBe(true)
  // The last unsubscription may be on its way behind the last subscription: an event is heard when it is not.
  await library.trigger(CHANNEL, 'told', { n: 1 })
  await expect.poll(heard).toEqual([1])
  await library.trigger(CHANNEL, 'told', { n: 2 })
  await expect.poll(heard).toEqual([1, 2])
  const occupied = async (): Promise<unknown> => {
    const response = await library.get({ path: '/channels', params: {} })
    return Object.keys(((await response.json()) as { readonly channels: object }).channels).toSorted()
  }
  expect(await occupied()).toEqual([CHANNEL, 'private-steady'])
  await page.evaluate(`window.client.unsubscribe('${CHANNEL}')`)
  await expect.poll(occupied).toEqual(['private-steady'])
})
