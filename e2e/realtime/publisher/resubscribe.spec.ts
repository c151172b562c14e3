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

const FORTY = Array.from({ length: 40 }, (_, n) => `private-forty-${n}`)
const SUBSCRIBED = `window.client.allChannels().filter(({ subscribed }) => subscribed).length`

test('forty channels whose authorization is cut off are all subscribed once the server answers', async ({
  page,
  pusher,
}) => {
  const authorizer = createChannelAuthorizer<ChannelUser>({ app: pusher, policy: async () => true })
  await using served = await startPusherPage(authorizer, { id: 'user-1' })
  let cuts = 2
  await page.route('**/authorize', async (route) => {
    cuts -= 1
    if (cuts >= 0) await route.abort('connectionreset')
    else await route.continue()
  })
  await page.goto(served.url)
  const { key, host, port } = pusher
  await page.evaluate(`window.listen(${JSON.stringify({ key, host, port, channels: FORTY })})`)
  expect(await page.evaluate('window.state.refused')).toEqual([])
  expect(await page.evaluate(SUBSCRIBED)).toBe(40)
})

test('forty channels whose Pusher is killed while they are being authorized are all subscribed once it is back', async ({
  page,
  ownServices,
}) => {
  test.setTimeout(60_000)
  await using pusher = await ownServices.pusher()
  const { promise: gate, resolve: open } = Promise.withResolvers<void>()
  const policy = async (): Promise<boolean> => gate.then(() => true)
  const authorizer = createChannelAuthorizer<ChannelUser>({ app: pusher.apps[0], policy })
  await using served = await startPusherPage(authorizer, { id: 'user-1' })
  await page.goto(served.url)
  const { host, port } = pusher.address
  const task = JSON.stringify({ key: pusher.apps[0].key, host, port, channels: FORTY })
  await page.evaluate(`void window.listen(${task})`)
  await expect.poll(() => served.questions.length).toBe(1)
  await pusher.process.kill()
  await pusher.process.restart()
  await expect.poll(() => served.questions.length, { timeout: 30_000 }).toBe(2)
  open()
  await expect.poll(() => page.evaluate(SUBSCRIBED), { timeout: 30_000 }).toBe(40)
})
