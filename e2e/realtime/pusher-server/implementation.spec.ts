import { PusherLender } from '#fixtures/services/broker/pusher-lender.ts'
import { isContainerEngineThere } from '#fixtures/services/containers/container-engine.ts'
import { parseServicesEnvironment, readServicesEnvironment } from '#fixtures/services/environment.ts'
import { startContainerPusher } from '#fixtures/services/pusher/container-pusher.ts'
import { startEmbeddedPusher } from '#fixtures/services/pusher/embedded-pusher.ts'
import type { PusherService } from '#fixtures/services/pusher/pusher-service.ts'
import { RawClient } from '#fixtures/services/pusher/raw-client.ts'
import { WayHistory } from '#fixtures/services/way-history.ts'
import { expect, test as base } from '#fixtures/test.ts'

/** A lender of that server, as if somebody else had started it. */
function lenderOf({ address, apps }: PusherService): PusherLender {
  const [{ appId, key, secret }] = apps
  return new PusherLender(
    parseServicesEnvironment({
      PUSHER_APP_ID: appId,
      PUSHER_KEY: key,
      PUSHER_SECRET: secret,
      PUSHER_HOST: address.host,
      PUSHER_PORT: String(address.port),
      PUSHER_TLS: 'off',
    }),
    new WayHistory({ say: () => undefined }),
  )
}

base('Hotpath’s own server is known as such, started here or by somebody else, with its version', async () => {
  await using service = await startEmbeddedPusher()
  expect(service).toMatchObject({ implementation: 'hotpath', provider: 'embedded' })
  await using lender = lenderOf(service)
  const { lease } = await lender.lend('1')
  expect(lease).toMatchObject({ implementation: 'hotpath', provider: 'external', version: service.version })
})

/** A soketi of this test's own, which it may break. */
const test = base.extend<{ soketi: PusherService }>({
  soketi: [
    // oxlint-disable-next-line no-empty-pattern -- Playwright reads the dependencies from the pattern: there are none.
    async ({}, use) => {
      base.skip(!(await isContainerEngineThere()), 'no container engine answers')
      await using service = await startContainerPusher(readServicesEnvironment().images.pusher)
      await use(service)
    },
    { timeout: 300_000 },
  ],
})

test.describe('where a container engine answers (skipped where none does)', () => {
  test('soketi is known as such, in a container or started by somebody else', async ({ soketi }) => {
    expect(soketi).toMatchObject({ implementation: 'soketi', provider: 'container' })
    await using lender = lenderOf(soketi)
    expect((await lender.lend('1')).lease).toMatchObject({ implementation: 'soketi', provider: 'external' })
  })

  // Why no test sends such a frame to a server that others use.
  test('a channel name that is no string ends soketi’s process', async ({ soketi }) => {
    const { host, port } = soketi.address
    await using client = await RawClient.connect({ host, port, key: soketi.apps[0].key })
    client.send({ event: 'pusher:subscribe', data: { channel: 7 } })
    await client.closed
    const ready = (): Promise<string> =>
      fetch(`http://${host}:${port}/ready`).then(
        ({ status }) => `status ${status}`,
        () => 'nobody listens',
      )
    await expect.poll(ready).toBe('nobody listens')
  })
})
