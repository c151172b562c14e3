import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { inheritedEnvironment } from '#fixtures/services/environment.ts'
import { findRedisServer } from '#fixtures/services/redis/find-redis-server.ts'
import { describeProcess } from '#fixtures/services/process/npm-line.ts'
import { isRunning, processTree, signalAll } from '#fixtures/services/process/process-tree.ts'
import { expect, test as base } from '#fixtures/test.ts'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

/** Uses every service and the server, and never ends. */
const ENDLESS = `
  import { test } from '#fixtures/test.ts'
  test('endless', async ({ app }) => {
    test.setTimeout(0)
    console.log('STARTED ' + app.url)
    await new Promise(() => {})
  })`

interface NpmRun {
  readonly process: ChildProcess
  readonly output: readonly string[]
  /** Everything that runs below npm now; what is left of it when the test is over is killed. */
  readonly tree: () => readonly number[]
  /** Resolves when this stands in the output. */
  says(text: string): Promise<void>
}

interface Npm {
  /** The program that is there for Redis: itself, or where the machine has none what keeps its container. */
  readonly redisProgram: 'redis-server' | 'container-keeper.process.ts'
  /** Below the project, with an endless test that the project's own Playwright finds there. */
  readonly directory: string
  run(args: readonly string[], environment?: Readonly<Record<string, string>>): NpmRun
}

const test = base.extend<{ npm: Npm }>({
  npm: async ({ ownServices }, use) => {
    const isEmbedded = (await findRedisServer()) !== undefined
    const variables = { ...ownServices.variables, SERVICES: isEmbedded ? 'embedded' : 'auto' }
    const directory = join(ROOT, '.hotpath', `interrupted-npm-${randomUUID()}`)
    await mkdir(directory, { recursive: true })
    const globalSetup = join(ROOT, 'fixtures/playwright/global-setup.ts')
    const config = {
      testDir: '.',
      outputDir: 'out',
      globalSetup,
      workers: 1,
      reporter: [['line']],
      projects: [{ name: 'performance' }],
    }
    await writeFile(join(directory, 'playwright.config.ts'), `export default ${JSON.stringify(config)}`)
    await writeFile(join(directory, 'endless.spec.ts'), ENDLESS)
    const seen = new Set<number>()
    await use({
      directory,
      redisProgram: isEmbedded ? 'redis-server' : 'container-keeper.process.ts',
      run: (args, environment = {}) => {
        const child = spawn('npm', args, {
          cwd: ROOT,
          env: { ...inheritedEnvironment(), ...variables, TMPDIR: directory, ...environment },
          stdio: ['ignore', 'pipe', 'pipe'],
        })
        const output: string[] = []
        for (const input of [child.stdout, child.stderr]) {
          createInterface({ input }).on('line', (line) => output.push(line))
        }
        const says = (text: string): Promise<void> =>
          expect
            .poll(() => output.some((line) => line.includes(text)) || child.exitCode !== null, { timeout: 90_000 })
            .toBe(true)
            .then(() => expect(output.join('\n')).toContain(text))
        const tree = (): readonly number[] => {
          const pids = processTree(child.pid ?? 0)
          for (const pid of pids) seen.add(pid)
          return pids
        }
        return { process: child, output, tree, says }
      },
    })
    // Only after a failure is there any.
    signalAll([...seen].filter(isRunning), 'SIGKILL')
    await rm(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  },
})

/** Names of what runs, so that a failure says what was left. */
async function whatRuns(pids: readonly number[]): Promise<string[]> {
  const left = await Promise.all(pids.filter(isRunning).map(describeProcess))
  return left.flatMap((entry) => (entry === undefined ? [] : [entry.command]))
}

/** Kills npm as nobody can hear it, and sees that all that it had started is gone in some seconds, with its data. */
async function expectNothingAfterKill({ process: npm, tree }: NpmRun, programs: readonly string[]): Promise<void> {
  const pids = tree()
  const before = (await whatRuns(pids)).join('\n')
  for (const program of programs) expect(before).toContain(program)
  // Supervisors are told the directories that they have to remove.
  const temporary = before.split(/\s/).filter((word) => /\/hotpath-[a-z]+-[\da-f-]{36}$/.test(word))
  const isEmbedded = ['postgres', 'redis-server'].some((program) => programs.includes(program))
  if (isEmbedded) expect(temporary.filter(existsSync)).not.toEqual([])
  npm.kill('SIGKILL')
  await expect.poll(() => whatRuns(pids), { timeout: 30_000 }).toEqual([])
  await expect.poll(() => temporary.filter(existsSync)).toEqual([])
}

test.describe.configure({ timeout: 180_000 })

test('npm start that is killed outright leaves neither server nor services', async ({ npm }) => {
  const state = join(npm.directory, 'state')
  const run = npm.run(['start'], { PORT: '0', HOTPATH_STATE: state })
  await run.says('  app ')
  await expectNothingAfterKill(run, ['server/main.ts', npm.redisProgram, 'postgres', 'pusher/server/main.ts'])
})

for (const [what, args] of [
  ['a run of tests', (config: string) => ['exec', '--', 'playwright', 'test', '--config', config]],
  ['npm run verify', (config: string) => ['run', 'verify', '--', '--config', config]],
] as const) {
  test(`${what} whose npm is killed outright leaves neither server, services nor data`, async ({ npm }) => {
    const run = npm.run(args(join(npm.directory, 'playwright.config.ts')))
    await run.says('STARTED ')
    const others = npm.redisProgram === 'redis-server' ? ['postgres', 'pusher/server/main.ts'] : []
    await expectNothingAfterKill(run, ['server/main.ts', npm.redisProgram, ...others])
  })
}

test('what does not heed the signal is killed soon after', async ({ npm }) => {
  const entry = join(npm.directory, 'stubborn.ts')
  const stubborn = `
    import { endWithNpm } from '#fixtures/services/process/end-with-npm.ts'
    process.on('SIGTERM', () => console.log('HEARD'))
    setInterval(() => {}, 1_000)
    await endWithNpm()
    console.log('STARTED')`
  await writeFile(entry, stubborn)
  const run = npm.run(['exec', '--', 'node', entry])
  await run.says('STARTED')
  const pids = run.tree()
  run.process.kill('SIGKILL')
  await expect.poll(() => run.output).toContain('HEARD')
  await expect.poll(() => whatRuns(pids), { timeout: 30_000 }).toEqual([])
})

test('a benchmark whose npm is killed outright leaves neither services nor load', async ({ npm }) => {
  const run = npm.run(['run', 'bench', '--', 'cache', '--quick'])
  const isUp = async (): Promise<boolean> =>
    (await whatRuns(run.tree())).some((command) => command.includes(npm.redisProgram))
  await expect.poll(isUp, { timeout: 30_000 }).toBe(true)
  await expectNothingAfterKill(run, ['e2e/bench/main.ts', npm.redisProgram])
})
