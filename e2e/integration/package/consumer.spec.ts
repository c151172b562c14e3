import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { PROJECT_ROOT } from '#fixtures/command-line/project-root.ts'
import { buildPackage } from '#fixtures/package/build-package.ts'
import {
  createScratchApplication,
  installAlone,
  installNode,
  packPackage,
} from '#fixtures/package/scratch-application.ts'
import type { ModuleKind } from '#fixtures/package/scratch-application.ts'
import { connectRealtimeClient } from '#fixtures/playwright/realtime-client.ts'
import { expect, test } from '#fixtures/test.ts'

// One package and one installation for all of them. Installing waits for a registry, or for npm's cache of it.
test.describe.configure({ mode: 'serial', timeout: 120_000 })

let folder: string
let tarball: string
let node22: string

test.beforeAll(async () => {
  // In the project for the compiler; what is installed must not see the project's node_modules.
  const building = await mkdtemp(path.join(PROJECT_ROOT, '.build-'))
  folder = await mkdtemp(path.join(tmpdir(), 'hotpath-package-'))
  try {
    expect(await buildPackage(path.join(building, 'dist'))).toBe(true)
    tarball = await packPackage(path.join(building, 'dist'), folder)
  } finally {
    await rm(building, { recursive: true, force: true })
  }
  node22 = await installNode(folder, 22)
})

test.afterAll(() => rm(folder, { recursive: true, force: true }))

interface Program {
  readonly node: string
  readonly main: string
  readonly settings: object
  /** What it is awaited for before it is stopped: an event that is in the outbox would wait there for the next start. */
  readonly heard: () => Promise<void>
}

/** Runs it until it is heard, stops it as a platform does, and answers all that it said. */
async function runApplication({ node, main, settings, heard }: Program) {
  const child = spawn(node, [main, JSON.stringify(settings)], { cwd: path.dirname(main) })
  const said: unknown[] = []
  const errors: string[] = []
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk.toString()))
  createInterface({ input: child.stdout }).on('line', (line) => said.push(JSON.parse(line)))
  const closed = once(child, 'close')
  try {
    await Promise.race([expect.poll(() => said.length, { timeout: 30_000 }).toBe(1), closed])
    if (child.exitCode === null) await heard()
    child.kill('SIGTERM')
    const [exitCode] = await closed
    return { exitCode, said, errors: errors.join('') }
  } finally {
    child.kill('SIGKILL')
  }
}

for (const kind of ['module', 'commonjs'] satisfies ModuleKind[]) {
  const what = kind === 'module' ? 'of ES modules' : 'of CommonJS with decorators'
  test(`an application ${what} installs and compiles the package, and runs it on Node 22 and 24`, async ({
    postgres,
    redis,
    pusher,
  }) => {
    await using application = await createScratchApplication(kind, tarball)
    const { appId, key, secret, host, port, useTls } = pusher
    const settings = {
      databaseUrl: postgres.url,
      redisUrl: redis.url,
      app: { appId, key, secret, host, port, useTls },
    }
    await using listener = await connectRealtimeClient({ pusher, authUrl: 'http://127.0.0.1:9', token: '' })
    await listener.subscribe('authors')
    for (const [major, node] of [
      [22, node22],
      [24, process.execPath],
    ] as const) {
      await Promise.all([postgres.reset(), redis.reset()])
      const before = listener.received.length
      const heard = () => expect.poll(() => listener.received.length).toBe(before + 1)
      const program = { node, main: application.main, settings, heard }
      const { exitCode, said, errors } = await runApplication(program)
      expect(errors).toBe('')
      expect(said).toEqual([
        { names: ['Ada', 'Ada'], loads: 1, node: expect.stringMatching(new RegExp(`^${major}\\.`)) },
        { stopped: 'completed' },
      ])
      expect(exitCode).toBe(0)
      expect(listener.received.at(-1)).toMatchObject({ event: 'added', data: { name: 'Ada' } })
    }
  })
}

test('cache and publisher start where nothing is installed besides the package', async ({ pusher }) => {
  const { appId, key, secret, host, port, useTls } = pusher
  const settings = { app: { appId, key, secret, host, port, useTls } }
  await using listener = await connectRealtimeClient({ pusher, authUrl: 'http://127.0.0.1:9', token: '' })
  await listener.subscribe('alone')
  const main = await installAlone(
    tarball,
    `import { cacheKey, startOptimizations } from 'hotpath'
     const cache = { namespace: 'alone' }
     const pusher = { app: JSON.parse(process.argv[2]).app }
     const both = await startOptimizations({ cache, pusher }, { onError: console.error })
     // In place of the server that keeps an application running.
     const serving = setInterval(() => undefined, 60_000)
     process.on('SIGTERM', async () => {
       console.log(JSON.stringify({ stopped: (await both.stop()).status }))
       clearInterval(serving)
     })
     await both.publisher.publish('alone', 'said', {})
     const value = await both.cache.getOrSet(cacheKey('a'), () => 'kept')
     const refused = await import('hotpath/database').catch(({ code }) => code)
     console.log(JSON.stringify({ value, refused }))`,
  )
  try {
    const heard = () => expect.poll(() => listener.received.length).toBe(1)
    const { said, errors } = await runApplication({ node: process.execPath, main, settings, heard })
    expect(errors).toBe('')
    expect(said).toEqual([{ value: 'kept', refused: 'ERR_MODULE_NOT_FOUND' }, { stopped: 'completed' }])
  } finally {
    await rm(path.dirname(main), { recursive: true, force: true })
  }
})
