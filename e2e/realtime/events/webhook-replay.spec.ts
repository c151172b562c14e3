import { createHmac, randomUUID } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { ApiClient } from '#fixtures/playwright/api-client.ts'
import { startServerProcess } from '#fixtures/playwright/server-process.ts'
import type { PusherLease } from '#fixtures/services/broker/lease.ts'
import { expect, test } from '#fixtures/test.ts'

// Servers are started, two at a time.
test.describe.configure({ timeout: 60_000 })

interface Server {
  readonly url: string
}

/** A webhook as Pusher sends it, on a channel that no other test uses; to be sent as often as one likes. */
function createWebhook({ key, secret }: Pick<PusherLease, 'key' | 'secret'>) {
  const events = [{ name: 'channel_vacated', channel: `private-${randomUUID()}` }]
  const body = JSON.stringify({ time_ms: Date.now(), events })
  const signature = createHmac('sha256', secret).update(body).digest('hex')
  const headers = { 'content-type': 'application/json', 'x-pusher-key': key, 'x-pusher-signature': signature }
  return async ({ url }: Server): Promise<number> =>
    (await fetch(`${url}/api/v1/realtime/webhook`, { method: 'POST', headers, body })).status
}

async function countsOf({ url }: Server): Promise<object> {
  const { body } = await new ApiClient(url).get('/metrics/performance')
  return (body['pusher'] as { readonly webhooks: object }).webhooks
}

for (const optimised of ['on', 'off']) {
  test(`a webhook that comes again is answered like the first and applied once, over all processes (OPTIMIZE_PUSHER=${optimised})`, async ({
    serverEnvironment,
    pusher,
  }) => {
    const environment = { ...serverEnvironment, OPTIMIZE_PUSHER: optimised }
    await using one = await startServerProcess({ environment })
    await using other = await startServerProcess({ environment })
    const send = createWebhook(pusher)
    expect([await send(one), await send(one), await send(one), await send(other)]).toEqual([200, 200, 200, 200])
    expect(await countsOf(one)).toEqual({ applied: 1, repeated: 2, unshared: 0, outdated: 0 })
    expect(await countsOf(other)).toEqual({ applied: 0, repeated: 1, unshared: 0, outdated: 0 })

    const next = createWebhook(pusher)
    const statuses = await Promise.all([one, other, one, other].map(next))
    expect(statuses).toEqual([200, 200, 200, 200])
    const counts = await Promise.all([one, other].map(countsOf))
    expect(counts.map((count) => (count as { applied: number }).applied).reduce((sum, n) => sum + n)).toBe(2)
  })
}

test('without Redis a process remembers by itself what it took, and counts that nobody else does', async ({
  serverEnvironment,
  pusher,
  ownServices,
}) => {
  await using redis = await ownServices.redis()
  await using server = await startServerProcess({ environment: { ...serverEnvironment, REDIS_URL: redis.url } })
  await redis.process.kill()
  const send = createWebhook(pusher)
  expect([await send(server), await send(server), await send(server)]).toEqual([200, 200, 200])
  expect(await countsOf(server)).toEqual({ applied: 1, repeated: 2, unshared: 1, outdated: 0 })
})

test('a webhook is taken with a charset, a byte order mark, pretty-printed and gzipped; the signature is over what was unpacked', async ({
  app,
  pusher,
}) => {
  const { key, secret } = pusher
  const events = [{ name: 'channel_vacated', channel: `private-${randomUUID()}` }]
  const text = `\uFEFF${JSON.stringify({ time_ms: Date.now(), events }, null, 2)}`
  const headers = {
    'content-type': 'application/json; charset=utf-8',
    'content-encoding': 'gzip',
    'x-pusher-key': key,
    'x-pusher-signature': createHmac('sha256', secret).update(text).digest('hex'),
  }
  const send = (body: string) =>
    fetch(`${app.url}/api/v1/realtime/webhook`, { method: 'POST', headers, body: new Uint8Array(gzipSync(body)) })
  expect((await send(text)).status).toBe(200)
  expect((await send(text.replace('vacated', 'occupied'))).status).toBe(401)
})
