import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { getContainerRuntimeClient } from 'testcontainers'
import { isContainerEngineThere } from '#fixtures/services/containers/container-engine.ts'
import { pullImage } from '#fixtures/services/containers/pull-image.ts'
import { removeContainers } from '#fixtures/services/containers/remove-containers.ts'
import { inheritedEnvironment, readServicesEnvironment } from '#fixtures/services/environment.ts'
import { isRunning, processTree } from '#fixtures/services/process/process-tree.ts'
import { expect, test as base } from '#fixtures/test.ts'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const LABEL = 'hotpath.test'
/** So soon nothing may be left, whatever became of the run. */
const LEFT_MS = 30_000

/** A run in small: a container with a volume that has no name, until it is ended. Its arguments are an image and an id. */
const RUN = `
  import { GenericContainer, Wait } from 'testcontainers'
  import { startContainer } from '#fixtures/services/containers/start-container.ts'
  import { endWithNpm } from '#fixtures/services/process/end-with-npm.ts'

  class WithVolume extends GenericContainer {
    constructor(image) {
      super(image)
      this.createOpts.Volumes = { '/volume': {} }
    }
  }

  const [image, id] = process.argv.slice(2)
  setInterval(() => undefined, 1_000)
  await endWithNpm()
  await startContainer(image, {
    title: 'small run',
    define: (pulled) => {
      console.log('CREATING')
      return new WithVolume(pulled)
        .withCommand(['redis-server'])
        .withExposedPorts(6379)
        .withLabels({ '${LABEL}': id })
        .withWaitStrategy(Wait.forListeningPorts())
    },
    ask: async () => undefined,
  })
  console.log('STARTED')`

interface SmallRun {
  readonly process: ChildProcess
  /** Resolves when it has written this. */
  says(word: string): Promise<void>
}

interface Engine {
  readonly id: string
  /** Node, or npm above it. */
  run(by: 'node' | 'npm'): SmallRun
  readonly containers: () => Promise<readonly string[]>
  readonly volumes: () => Promise<readonly string[]>
  readonly networks: () => Promise<readonly string[]>
}

const test = base.extend<{ engine: Engine }>({
  // oxlint-disable-next-line no-empty-pattern -- Playwright reads the dependencies from the pattern: there are none.
  engine: async ({}, use) => {
    test.skip(!(await isContainerEngineThere()), 'no container engine answers')
    const image = readServicesEnvironment().images.redis
    const pulled = await pullImage(image).then(
      () => undefined,
      (error: Error) => error.message,
    )
    test.skip(pulled !== undefined, pulled)
    const { dockerode } = (await getContainerRuntimeClient()).container
    const id = randomUUID()
    // Below the project, so that what it imports is found.
    const directory = join(ROOT, '.hotpath', `container-keeper-${id}`)
    await mkdir(directory, { recursive: true })
    const entry = join(directory, 'run.js')
    await writeFile(entry, RUN)
    const programs = {
      node: [process.execPath, entry, image, id],
      npm: ['npm', 'exec', '--', 'node', entry, image, id],
    } as const
    await use({
      id,
      run: (by) => {
        const [program, ...args] = programs[by]
        const child = spawn(program, args, {
          cwd: ROOT,
          env: inheritedEnvironment(),
          stdio: ['ignore', 'pipe', 'inherit'],
        })
        const lines: string[] = []
        createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
        const says = (word: string): Promise<void> =>
          expect.poll(() => lines, { timeout: 60_000, intervals: [20] }).toContain(word)
        return { process: child, says }
      },
      containers: async () => {
        const found = await dockerode.listContainers({ all: true, filters: { label: [`${LABEL}=${id}`] } })
        return found.map(({ Id }) => Id)
      },
      volumes: async () => (await dockerode.listVolumes()).Volumes.map(({ Name }) => Name),
      networks: async () => (await dockerode.listNetworks()).map(({ Name }) => Name),
    })
    // Only after a failure is there any.
    await removeContainers(`${LABEL}=${id}`)
    await rm(directory, { recursive: true })
  },
})

test.describe('where a container engine answers (skipped where none does, or none can have the image)', () => {
  test.describe.configure({ timeout: 120_000 })

  for (const by of ['node', 'npm'] as const) {
    test(`a run whose ${by} is killed outright leaves no container, volume or network after 30 s`, async ({
      engine,
    }) => {
      const before = { volumes: await engine.volumes(), networks: await engine.networks() }
      const run = engine.run(by)
      await run.says('STARTED')
      const volumes = (await engine.volumes()).filter((name) => !before.volumes.includes(name))
      expect(await engine.containers()).toHaveLength(1)
      expect(volumes).not.toEqual([])
      run.process.kill('SIGKILL')
      const left = async (): Promise<readonly string[]> => {
        const kept = [await engine.containers(), (await engine.volumes()).filter((name) => volumes.includes(name))]
        return [...kept.flat(), ...(await engine.networks()).filter((name) => !before.networks.includes(name))]
      }
      await expect.poll(left, { timeout: LEFT_MS }).toEqual([])
    })
  }

  test('a run that is killed outright while its container is paused leaves none after 30 s', async ({ engine }) => {
    const run = engine.run('node')
    await run.says('STARTED')
    const { dockerode } = (await getContainerRuntimeClient()).container
    const [id = ''] = await engine.containers()
    await dockerode.getContainer(id).pause()
    run.process.kill('SIGKILL')
    await expect.poll(engine.containers, { timeout: LEFT_MS }).toEqual([])
  })

  for (const { when, comes } of [
    { when: 'before its container is made', comes: (run: SmallRun) => run.says('CREATING') },
    {
      when: 'as soon as its container is there',
      comes: (_: SmallRun, engine: Engine) =>
        expect.poll(engine.containers, { timeout: 60_000, intervals: [5] }).toHaveLength(1),
    },
  ]) {
    test(`a run that is killed outright ${when} leaves none after 30 s`, async ({ engine }) => {
      const run = engine.run('node')
      await run.says('CREATING')
      const keepers = processTree(run.process.pid ?? 0).filter((pid) => pid !== run.process.pid)
      expect(keepers.length).toBeGreaterThan(1)
      await comes(run, engine)
      run.process.kill('SIGKILL')
      // Only then nobody is left who could remove what is still to come.
      await expect.poll(() => keepers.filter(isRunning), { timeout: LEFT_MS }).toEqual([])
      expect(await engine.containers()).toEqual([])
    })
  }
})
