import type { Page } from '@playwright/test'

import { PusherFaultGateway } from '#fixtures/doubles/pusher-fault-gateway.ts'
import { connectPusherListener } from '#fixtures/doubles/pusher-listener.ts'
import { startPusherPage } from '#fixtures/doubles/pusher-page.ts'
import { expect, test } from '#fixtures/test.ts'
import { seededRandom } from '#optimizations/kernel/random.ts'
import { createChannelAuthorizer, type ChannelUser } from '#optimizations/pusher/channel-authorization.ts'
import { startPublisher } from '#optimizations/pusher/start-publisher.ts'

const counts = (length: number): number[] => Array.from({ length }, (_, n) => n)

/** What the page of fixtures/doubles/pusher-page.html tells of itself. */
interface Heard {
  readonly heard: Readonly<Record<string, readonly number[]>>
  readonly arrivals: number
  readonly gaps: ReadonlyArray<{ readonly channel: string; readonly after: string; readonly id: string }>
  readonly refused: readonly string[]
}

const stateOf = (page: Page): Promise<Heard> => page.evaluate('window.state')

async function open(
  page: Page,
  url: string,
  task: { readonly key: string; readonly host: string; readonly port: number; readonly channels: readonly string[] },
): Promise<void> {
  await page.goto(url)
  const { key, host, port, channels } = task
  await page.evaluate(`window.listen(${JSON.stringify({ key, host, port, channels })})`)
}

test('a page in Chromium and a listener on Node hear every event once and in order, though requests are lost after their delivery', async ({
  page,
  pusher,
  intensity,
  seed,
}) => {
  test.setTimeout(60_000 + 60_000 * intensity)
  const total = Math.round(10_000 * intensity)
  const channels = counts(10).map((n) => `private-chromium-${n}`)
  const authorizer = createChannelAuthorizer<ChannelUser>({ app: pusher, policy: async () => true })
  await using served = await startPusherPage(authorizer, { id: 'user-1' })
  await open(page, served.url, { ...pusher, channels })
  await using listener = await connectPusherListener({
    pusher,
    authorize: (socketId, channel) => authorizer.authorize({ id: 'user-2' }, socketId, channel),
  })
  await listener.subscribe(...channels)
  await using gateway = await PusherFaultGateway.start(pusher)
  const random = seededRandom(seed)
  gateway.plan = () => (random() < 0.1 ? { kind: 'reset', isDelivered: true } : undefined)
  await using publisher = await startPublisher({
    app: { ...pusher, port: gateway.port },
    callsPerSecond: 100_000,
    retryBaseMs: 5,
  })
  for (const n of counts(total)) {
    const receipt = await publisher.publish(channels[n % 10] ?? '', 'counted', n)
    if (n % 100 === 99) await receipt.settled
  }
  await expect.poll(() => publisher.stats().pending, { timeout: 30_000 }).toBe(0)
  await expect
    .poll(async () => Object.values((await stateOf(page)).heard).reduce((sum, its) => sum + its.length, 0))
    .toBe(total)
  await expect.poll(() => listener.heard.length).toBe(total)
  const state = await stateOf(page)
  for (const [index, channel] of channels.entries()) {
    const its = counts(total / 10).map((round) => round * 10 + index)
    expect(state.heard[channel]).toEqual(its)
    expect(listener.heardOn(channel)).toEqual(its)
  }
  expect(state.gaps).toEqual([])
  expect(state.arrivals).toBeGreaterThan(total)
  test.info().annotations.push({
    type: 'chromium',
    description: `${total} events, ${state.arrivals - total} duplicates dropped in the page, 0 gaps, in order`,
  })
})

test('the page names the event that never came', async ({ page, pusher }) => {
  const authorizer = createChannelAuthorizer<ChannelUser>({ app: pusher, policy: async () => true })
  await using served = await startPusherPage(authorizer, { id: 'user-1' })
  await open(page, served.url, { ...pusher, channels: ['gaps'] })
  await using gateway = await PusherFaultGateway.start(pusher)
  gateway.plan = ({ body }) =>
    body.includes('poison') ? { kind: 'status', status: 413, body: 'too large' } : undefined
  await using publisher = await startPublisher({ app: { ...pusher, port: gateway.port } })
  await publisher.publish('gaps', 'counted', 1)
  const poison = await publisher.publish('gaps', 'counted', 'poison')
  const next = await publisher.publish('gaps', 'counted', 2)
  await expect.poll(async () => (await stateOf(page)).heard['gaps']).toEqual([1, 2])
  expect((await stateOf(page)).gaps).toEqual([{ channel: 'gaps', after: poison.id, id: next.id }])
})

test('forty private channels of a page are one request, and the refused one alone stays out', async ({
  page,
  pusher,
}) => {
  const policy = async (_user: ChannelUser, channel: string) => channel !== 'private-page-7'
  const authorizer = createChannelAuthorizer<ChannelUser>({ app: pusher, policy })
  await using served = await startPusherPage(authorizer, { id: 'user-1' })
  const channels = counts(40).map((n) => `private-page-${n}`)
  await open(page, served.url, { ...pusher, channels })
  expect(served.questions.map(({ channel_names: names }) => names)).toEqual([channels])
  expect((await stateOf(page)).refused).toEqual(['private-page-7'])
})
