import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from '#fixtures/test.ts'
import { createPublisher, Subscriber } from '#fixtures/services/pusher/official-clients.ts'
import { startPusherProcess } from '#fixtures/services/pusher/start-pusher-process.ts'

interface Hook {
  readonly body: string
  readonly headers: Record<string, unknown>
  readonly events: readonly { readonly name: string; readonly [key: string]: unknown }[]
}

/** An application's endpoint. It answers with the given statuses, 200 after the last. */
async function startEndpoint(statuses: number[] = []) {
  const hooks: Hook[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString()
      hooks.push({ body, headers: request.headers, ...(JSON.parse(body) as Pick<Hook, 'events'>) })
      response.writeHead(statuses.shift() ?? 200).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const events = () => hooks.flatMap((hook) => hook.events)
  return {
    hooks,
    events,
    named: (name: string) => events().filter((event) => event.name === name),
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test.describe('Hotpath’s own server: webhooks', () => {
  test('the official library accepts their signature', async () => {
    await using endpoint = await startEndpoint()
    await using server = await startPusherProcess({ apps: [{ webhooks: [{ url: endpoint.url }] }] })
    const target = { ...server, ...server.app }
    await using subscriber = await Subscriber.connect(target)
    await subscriber.subscribe('a')
    await expect.poll(() => endpoint.hooks.length).toBe(1)
    const [hook] = endpoint.hooks
    const checked = createPublisher(target).webhook({ headers: hook!.headers, rawBody: hook!.body })
    expect(checked.isValid()).toBe(true)
    expect(checked.getEvents()).toEqual([{ name: 'channel_occupied', channel: 'a' }])
    expect(Math.abs(checked.getTime().getTime() - Date.now())).toBeLessThan(60_000)
    const forged = createPublisher(target).webhook({ headers: hook!.headers, rawBody: `${hook!.body} ` })
    expect(forged.isValid()).toBe(false)
  })

  test('channels and members come at once and go after the delay', async () => {
    await using endpoint = await startEndpoint()
    await using server = await startPusherProcess({
      apps: [{ webhooks: [{ url: endpoint.url }], webhookDelayMs: 300, batchWebhooks: false }],
    })
    const target = { ...server, ...server.app }
    const member = { user_id: 'ada' }
    const first = await Subscriber.connect(target, { member })
    const second = await Subscriber.connect(target, { member })
    await first.subscribe('presence-a')
    await second.subscribe('presence-a')
    first.client.disconnect()
    second.client.disconnect()
    await expect.poll(() => endpoint.events().length).toBe(4)
    expect(endpoint.events()).toEqual([
      { name: 'channel_occupied', channel: 'presence-a' },
      { name: 'member_added', channel: 'presence-a', user_id: 'ada' },
      { name: 'member_removed', channel: 'presence-a', user_id: 'ada' },
      { name: 'channel_vacated', channel: 'presence-a' },
    ])
    expect(endpoint.hooks.every(({ events }) => events.length === 1)).toBe(true)
  })

  test('a page that is loaded anew makes no webhooks', async () => {
    await using endpoint = await startEndpoint()
    await using server = await startPusherProcess({
      apps: [{ webhooks: [{ url: endpoint.url }], webhookDelayMs: 1_000 }],
    })
    const target = { ...server, ...server.app }
    const before = await Subscriber.connect(target)
    await before.subscribe('a')
    await expect.poll(() => endpoint.events().length).toBe(1)
    before.client.disconnect()
    await using after = await Subscriber.connect(target)
    await after.subscribe('a')
    await after.subscribe('b')
    after.client.unsubscribe('b')
    await expect.poll(() => endpoint.named('channel_vacated')).toEqual([{ name: 'channel_vacated', channel: 'b' }])
    expect(endpoint.named('channel_occupied').map(({ channel }) => channel)).toEqual(['a', 'b'])
  })

  test('client events, counts and cache misses are told, a miss once for a crowd', async () => {
    await using endpoint = await startEndpoint()
    await using server = await startPusherProcess({
      apps: [
        {
          clientEvents: true,
          subscriptionCount: true,
          webhooks: [{ url: endpoint.url, events: ['client_event', 'subscription_count', 'cache_miss'] }],
        },
      ],
    })
    const target = { ...server, ...server.app }
    await using ada = await Subscriber.connect(target, { member: { user_id: 'ada' } })
    await using bob = await Subscriber.connect(target, { member: { user_id: 'bob' } })
    for (const subscriber of [ada, bob]) {
      await subscriber.subscribe('cache-a')
      await subscriber.subscribe('presence-a')
    }
    ada.channel('presence-a').trigger('client-typing', { at: 1 })
    await expect
      .poll(() => endpoint.named('client_event'))
      .toEqual([
        {
          name: 'client_event',
          channel: 'presence-a',
          event: 'client-typing',
          data: '{"at":1}',
          socket_id: ada.socketId,
          user_id: 'ada',
        },
      ])
    expect(endpoint.named('subscription_count')).toEqual([
      { name: 'subscription_count', channel: 'cache-a', subscription_count: 1 },
      { name: 'subscription_count', channel: 'cache-a', subscription_count: 2 },
    ])
    expect(endpoint.named('cache_miss')).toEqual([{ name: 'cache_miss', channel: 'cache-a' }])
    expect(endpoint.named('channel_occupied')).toEqual([])
  })

  test('an endpoint that fails is asked again until it answers with 2xx', async () => {
    await using endpoint = await startEndpoint([503])
    await using server = await startPusherProcess({ apps: [{ webhooks: [{ url: endpoint.url }] }] })
    await using subscriber = await Subscriber.connect({ ...server, ...server.app })
    await subscriber.subscribe('a')
    await expect.poll(() => endpoint.hooks.length).toBe(2)
    expect(endpoint.hooks[1]?.body).toBe(endpoint.hooks[0]?.body)
    expect(server.output.join('\n')).toContain('failed: answered 503')
  })

  test('a server that stops still delivers what it has to tell', async () => {
    await using endpoint = await startEndpoint()
    const server = await startPusherProcess({ apps: [{ webhooks: [{ url: endpoint.url }] }] })
    await using subscriber = await Subscriber.connect({ ...server, ...server.app })
    await subscriber.subscribe('a')
    await server.stop()
    expect(endpoint.events()).toEqual([{ name: 'channel_occupied', channel: 'a' }])
  })
})
