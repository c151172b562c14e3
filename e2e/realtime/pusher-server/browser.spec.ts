import { connect, createServer, type AddressInfo } from 'node:net'
import { pipeline } from 'node:stream'
import type { Page } from '@playwright/test'
import { expect, test } from '#fixtures/test.ts'
import { createPublisher, Subscriber } from '#fixtures/services/pusher/official-clients.ts'
import { startPusherPage } from '#fixtures/services/pusher/pusher-page.ts'
import { startPusherProcess } from '#fixtures/services/pusher/start-pusher-process.ts'
import { startFaultProxy } from '#fixtures/services/proxy/fault-proxy.ts'

const nameFor = (prefix: string): string => `${prefix}${test.info().testId}`
const member = { user_id: 'page' }

/** What the page received of that event on that channel. */
const received = (page: Page, channel: string, event: string) =>
  page.getByRole('listitem').filter({ hasText: new RegExp(`^${channel} ${event} `) })

const subscribed = (page: Page, channel: string) => received(page, channel, 'pusher:subscription_succeeded')

test('pusher-js in Chromium is authorized, receives events, and exchanges client events with others', async ({
  page,
  pusher,
}) => {
  const [own, room] = [nameFor('private-'), nameFor('presence-')]
  await using served = await startPusherPage(pusher, { channels: [own, room], member })
  await using other = await Subscriber.connect(pusher, { member: { user_id: 'other' } })
  await other.subscribe(room)
  await page.goto(served.url)
  await expect(page.getByRole('status')).toHaveText('connected')
  await expect(subscribed(page, own)).toHaveCount(1)
  await expect(subscribed(page, room)).toContainText('"count":2')
  await expect.poll(() => other.dataOf(room, 'pusher_internal:member_added')).toMatchObject([{ user_id: 'page' }])

  const data = { text: 'Grüße, 世界 😀' }
  await createPublisher(pusher).trigger([own, room], 'news', data)
  for (const name of [own, room]) await expect(received(page, name, 'news')).toHaveText(/"Grüße, 世界 😀"/)

  await page.evaluate(`client.channel(${JSON.stringify(room)}).trigger('client-typing', { at: 1 })`)
  await expect
    .poll(() => other.events.filter(({ event }) => event === 'client-typing'))
    .toEqual([{ channel: room, event: 'client-typing', data: { at: 1 }, userId: 'page' }])
  other.channel(room).trigger('client-seen', { at: 2 })
  await expect(received(page, room, 'client-seen')).toContainText('{"at":2}')
})

test('a page that lost its connection comes back by itself, authorized anew', async ({ page, pusher }) => {
  test.skip(pusher.useTls, 'the proxy has no certificate for the name that is behind it')
  const channel = nameFor('private-')
  await using proxy = await startFaultProxy(pusher.url)
  const { hostname: host, port } = new URL(proxy.through(pusher.url))
  const behind = { ...pusher, host, port: Number(port), cluster: undefined }
  await using served = await startPusherPage(behind, { channels: [channel], member })
  await page.goto(served.url)
  await expect(subscribed(page, channel)).toHaveCount(1)
  proxy.reset()
  await expect(subscribed(page, channel)).toHaveCount(2)
  await createPublisher(pusher).trigger(channel, 'news', 1)
  await expect(received(page, channel, 'news')).toHaveCount(1)
})

test.describe('Hotpath’s own server: a page', () => {
  test('is sent away with 4200 by a server that stops, and at once comes back to the next one', async ({ page }) => {
    const apps = [{ key: 'key', secret: 'secret' }]
    await using first = await startPusherProcess({ apps })
    await using second = await startPusherProcess({ apps })
    let { port } = first
    // As in front of Pusher: where nothing listens, a page takes WebSockets for impossible after two attempts.
    const balancer = createServer((socket) => {
      const upstream = connect(port, '127.0.0.1')
      pipeline(socket, upstream, socket, () => undefined)
    })
    await new Promise<void>((resolve) => balancer.listen(0, '127.0.0.1', resolve))
    const target = { ...first, ...first.app, port: (balancer.address() as AddressInfo).port }
    const channel = 'private-a'
    await using served = await startPusherPage(target, { channels: [channel], member })
    await page.goto(served.url)
    await expect(subscribed(page, channel)).toHaveCount(1)
    port = second.port
    await first.stop()
    // pusher-js tells it twice.
    await expect(page.getByRole('listitem').filter({ hasText: 'error 4200' }).first()).toBeVisible()
    await expect(subscribed(page, channel)).toHaveCount(2)
    await createPublisher({ ...second, ...second.app }).trigger(channel, 'news', 1)
    await expect(received(page, channel, 'news')).toHaveCount(1)
    balancer.close()
  })
})
