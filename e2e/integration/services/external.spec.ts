import { expect, test as base } from '#fixtures/test.ts'
import { startServicesBroker } from '#fixtures/services/broker/broker.ts'
import { DatabaseLender } from '#fixtures/services/broker/database-lender.ts'
import { PusherLender } from '#fixtures/services/broker/pusher-lender.ts'
import { RedisLender } from '#fixtures/services/broker/redis-lender.ts'
import { parseServicesEnvironment, type ServicesEnvironment } from '#fixtures/services/environment.ts'
import { startEmbeddedPusher } from '#fixtures/services/pusher/embedded-pusher.ts'
import { startTogether, type Services } from '#fixtures/services/start-services.ts'

interface External {
  /** Servers that somebody else runs, as far as the tests can see. */
  readonly services: Services
  readonly environment: ServicesEnvironment
}

const test = base.extend<object, { external: External }>({
  external: [
    async ({ ownServices }, use) => {
      await using services = await startTogether(
        ownServices.postgres(),
        ownServices.redis(),
        // soketi answers a question for its channels whoever asks.
        startEmbeddedPusher(),
      )
      const { apps, address } = services.pusher
      const [{ appId, key, secret }] = apps
      const environment = parseServicesEnvironment({
        DATABASE_URL: services.postgres.url,
        REDIS_URL: services.redis.url,
        PUSHER_APP_ID: appId,
        PUSHER_KEY: key,
        PUSHER_SECRET: secret,
        PUSHER_HOST: address.host,
        PUSHER_PORT: String(address.port),
      })
      await use({ services, environment })
    },
    { scope: 'worker', timeout: 300_000 },
  ],
})

test('on an external PostgreSQL a lease is a database of its own, and at the end none of ours is left', async ({
  external,
}) => {
  const lender = new DatabaseLender({
    environment: external.environment,
    templates: { empty: async () => undefined },
    runId: 'external',
  })
  const [one, other] = await Promise.all(
    ['1', '2'].map((id) => lender.lend(id, { kind: 'database', template: 'empty', profile: 'test' })),
  )
  expect(one?.lease.url).not.toBe(other?.lease.url)
  expect(one?.lease.provider).toBe('external')
  const { databases } = external.services.postgres
  expect(await databases.exists('hotpath_external_1')).toBe(true)
  await lender[Symbol.asyncDispose]()
  for (const name of ['hotpath_external_1', 'hotpath_external_2', 'hotpath_external_template_test_empty']) {
    expect(await databases.exists(name)).toBe(false)
  }
})

test('on an external Redis a lease is a database number, never the one that the URL names', async ({ external }) => {
  await using lender = new RedisLender(external.environment)
  const [one, other] = await Promise.all([lender.lend('1'), lender.lend('2')])
  const numbers = [external.services.redis, one.lease, other.lease].map(({ url }) => new URL(url).pathname)
  expect(numbers).toEqual(['/0', '/1', '/2'])
  await one.release()
  expect(new URL((await lender.lend('3')).lease.url).pathname).toBe('/1')
})

test('on an external Pusher the leases share the one app', async ({ external }) => {
  await using lender = new PusherLender(external.environment)
  const [one, other] = await Promise.all([lender.lend('1'), lender.lend('2')])
  expect(one.lease).toMatchObject({ provider: 'external', key: external.services.pusher.apps[0].key })
  expect(other.lease.url).toBe(one.lease.url)
})

test('credentials that an external Pusher does not know are found out before any test runs', async ({ external }) => {
  const { pusher } = external.environment
  if (pusher === undefined) throw new Error('the external app is missing')
  await using lender = new PusherLender({ ...external.environment, pusher: { ...pusher, secret: 'wrong' } })
  await expect(lender.lend('1')).rejects.toThrow(/external: pusher at .*401/s)
})

test('a template that cannot be prepared fails every lease of it with its reason, and leaves no half of it', async ({
  external,
}) => {
  const broken = (): Promise<void> => Promise.reject(new Error('the migration has a fault'))
  await using lender = new DatabaseLender({
    environment: external.environment,
    templates: { broken },
    runId: 'broken',
  })
  const request = { kind: 'database', template: 'broken', profile: 'test' } as const
  await expect(lender.lend('1', request)).rejects.toThrow('the migration has a fault')
  await expect(lender.lend('2', request)).rejects.toThrow('the migration has a fault')
  expect(await external.services.postgres.databases.exists('hotpath_broken_template_test_broken')).toBe(false)
})

test('the broker answers nobody who does not know its address, and refuses what it does not understand', async () => {
  await using broker = await startServicesBroker({ templates: {} })
  const { origin } = new URL(broker.url)
  expect((await fetch(`${origin}/leases`, { method: 'POST', body: '{"kind":"redis"}' })).status).toBe(404)
  const wrong = await fetch(new URL('leases', broker.url), { method: 'POST', body: '{"kind":"mainframe"}' })
  expect(wrong.status).toBe(500)
  const gone = await fetch(new URL('leases/99', broker.url), { method: 'DELETE' })
  expect(await gone.json()).toEqual({ message: expect.stringContaining('there is no lease 99') })
})
