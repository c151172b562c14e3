import { getContainerRuntimeClient } from 'testcontainers'
import { startImageRegistry } from '#fixtures/doubles/image-registry.ts'
import { startServicesBroker } from '#fixtures/services/broker/broker.ts'
import { isContainerEngineThere } from '#fixtures/services/containers/container-engine.ts'
import { pullImage } from '#fixtures/services/containers/pull-image.ts'
import { parseServicesEnvironment } from '#fixtures/services/environment.ts'
import { freePort } from '#fixtures/services/process/free-port.ts'
import { startRedis } from '#fixtures/services/redis/redis.ts'
import { expect, test as base } from '#fixtures/test.ts'

/** What an engine of this machine pulls in a test goes when the test ends. */
const test = base.extend<{ pulled: Set<string> }>({
  // oxlint-disable-next-line no-empty-pattern -- Playwright reads the dependencies from the pattern: there are none.
  pulled: async ({}, use) => {
    const names = new Set<string>()
    await use(names)
    const { container } = await getContainerRuntimeClient()
    for (const name of names) await container.dockerode.getImage(name).remove({ force: true })
  },
})

test.describe('where a container engine answers (skipped where none does)', () => {
  test.beforeEach(async () => {
    test.skip(!(await isContainerEngineThere()), 'no container engine answers')
    const { info } = await getContainerRuntimeClient()
    const { operatingSystem } = info.containerRuntime
    test.skip(operatingSystem.includes('Docker Desktop'), 'the loopback of this engine is not that of the test')
  })

  test('an image is pinned by version and digest, pulled as such, and then there for a container', async ({
    pulled,
  }) => {
    await using registry = await startImageRegistry()
    await pullImage(registry.pinnedImage)
    pulled.add(registry.pinnedImage)
    const { container } = await getContainerRuntimeClient()
    const created = await container.dockerode.createContainer({ Image: registry.pinnedImage, Cmd: ['/none'] })
    await created.remove()
  })

  test('an image whose digest is another than the pinned one is refused', async () => {
    await using registry = await startImageRegistry()
    const other = `${registry.image}@sha256:${'0'.repeat(64)}`
    await expect(pullImage(other)).rejects.toThrow(/could not be pulled: [^#]*digest[^#]*#an-image-cannot-be-pulled\)$/)
  })

  test('an image that is there is not pulled again', async ({ pulled }) => {
    await using registry = await startImageRegistry()
    await pullImage(registry.image)
    pulled.add(registry.image)
    const { asked } = registry
    await pullImage(registry.image)
    expect(registry.asked).toBe(asked)
  })

  test('a pull that takes longer than two seconds says how far it is', async ({ pulled }) => {
    await using registry = await startImageRegistry({ layerMs: 4_000 })
    const said: string[] = []
    await pullImage(registry.image, { say: (line) => said.push(line) })
    pulled.add(registry.image)
    expect(said[0]).toContain(`pulling ${registry.image}: `)
    expect(said).toContainEqual(expect.stringMatching(/: 0\.\d of 0\.6 MB after [2-9] s …$/))
  })

  test('a pull of which nothing comes is given up at its limit, and the reason says so', async () => {
    await using registry = await startImageRegistry({ answers: 'none' })
    const startedAt = performance.now()
    await expect(pullImage(registry.image, { limitMs: 1_000 })).rejects.toThrow(
      `the image ${registry.image} could not be pulled: not within 1 s, nothing yet`,
    )
    // The engine's own patience with a silent registry is longer.
    expect(performance.now() - startedAt).toBeLessThan(10_000)
  })

  test('a pull that is too slow is given up at its limit, and the reason says how far it was', async () => {
    await using registry = await startImageRegistry({ layerMs: 60_000 })
    await expect(pullImage(registry.image, { limitMs: 3_000 })).rejects.toThrow(
      /could not be pulled: not within 3 s, 0\.\d of 0\.6 MB \(see docs\/troubleshooting\.md#an-image-cannot-be-pulled\)$/,
    )
  })

  test('an image that cannot be had fails within seconds, with the reason', async () => {
    const nowhere = `127.0.0.1:${await freePort()}/hotpath/none:1.0`
    const startedAt = performance.now()
    await expect(pullImage(nowhere)).rejects.toThrow(/could not be pulled: .*connection refused/)
    expect(performance.now() - startedAt).toBeLessThan(5_000)
  })

  test('SERVICES=containers with such an image fails, names it, and starts nothing else', async () => {
    const image = `127.0.0.1:${await freePort()}/hotpath/none:1.0`
    const environment = parseServicesEnvironment({ SERVICES: 'containers', REDIS_IMAGE: image })
    const error = await startRedis(environment).catch(String)
    expect(error).toContain(`container: the image ${image} could not be pulled: `)
    expect(error).toContain('embedded: not tried, because SERVICES=containers')
  })

  test('the broker tries a container that fails once in a run, and says what it lends instead', async () => {
    await using registry = await startImageRegistry({ answers: 'missing' })
    const environment = parseServicesEnvironment({ SERVICES: 'auto', REDIS_IMAGE: registry.image })
    const said: string[] = []
    await using broker = await startServicesBroker({
      templates: {},
      environment: () => environment,
      say: (line) => said.push(line),
    })
    const lease = async (): Promise<number> => {
      const { status } = await fetch(new URL('leases', broker.url), { method: 'POST', body: '{"kind":"redis"}' })
      return status
    }
    const statuses = [await lease()]
    const { asked } = registry
    statuses.push(await lease(), await lease())
    expect(asked).toBeGreaterThan(0)
    expect(registry.asked).toBe(asked)
    // Where this machine has no redis-server either, each lease is refused with both reasons.
    const isEmbedded = statuses.every((status) => status === 200)
    expect(
      said.filter((line) => line.includes(`not a container (the image ${registry.image} could not be pulled`)),
    ).toHaveLength(isEmbedded ? 1 : 0)
  })
})
