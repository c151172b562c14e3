import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { inheritedEnvironment } from '#fixtures/services/environment.ts'
import { describeProcess } from '#fixtures/services/process/npm-line.ts'
import { isRunning, processTree } from '#fixtures/services/process/process-tree.ts'
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
  /** Resolves when this stands in the output. */
  says(text: string): Promise<void>
}

interface Npm {
  /** Below the project, with an endless test that the project's own Playwright finds there. */
  readonly directory: string
  run(args: readonly string[], environment?: Readonly<Record<string, string>>): NpmRun
}

const test = base.extend<{ npm: Npm }>({
  // oxlint-disable-next-line no-empty-pattern -- Playwright reads the dependencies from the pattern: there are none.
  npm: async ({}, use) => {
    const directory = join(ROOT, '.hotpath', `interrupted-npm-${randomUUID()}`)
    await mkdir(directory, { recursive: true })
    const globalSetup = join(ROOT, 'fixtures/playwright/global-setup.ts')
    const config = { testDir: '.', globalSetup, workers: 1, reporter: [['line']], projects: [{ name: 'performance' }] }
    await writeFile(join(directory, 'playwright.config.ts'), `export default ${JSON.stringify(config)}`)
    await writeFile(join(directory, 'endless.spec.ts'), ENDLESS)
    await use({
      directory,
      run: (args, environment = {}) => {
        const child = spawn('npm', args, {
          cwd: ROOT,
          env: { ...inheritedEnvironment(), SERVICES: 'embedded', TMPDIR: directory, ...environment },
          stdio: ['ignore', 'pipe', 'pipe'],
        })
        const output: string[] = []
        for (const input of [child.stdout, child.stderr]) {
          createInterface({ input }).on('line', (line) => output.push(line))
        }
        const says = (text: string): Promise<void> =>
          expect
            .poll(() => output.some((line) => line.includes(text)) || child.exitCode !== null, { timeout: 60_000 })
            .toBe(true)
            .then(() => expect(output.join('\n')).toContain(text))
        return { process: child, output, says }
      },
    })
    await rm(directory, { recursive: true, force: true })
  },
})

/** Names of what runs, so that a failure says what was left. */
async function whatRuns(pids: readonly number[]): Promise<string[]> {
  const left = await Promise.all(pids.filter(isRunning).map(describeProcess))
  return left.flatMap((entry) => (entry === undefined ? [] : [entry.command]))
}

/** Kills npm as nobody can hear it, and sees that everything that it had started is gone in some seconds. */
async function expectNothingAfterKill({ process: npm }: NpmRun, programs: readonly string[]): Promise<void> {
  const pids = processTree(npm.pid ?? 0)
  const before = (await whatRuns(pids)).join('\n')
  for (const program of programs) expect(before).toContain(program)
  npm.kill('SIGKILL')
  await expect.poll(() => whatRuns(pids), { timeout: 15_000 }).toEqual([])
}

/** What programs of ours have in the directory for temporary data, and in memory. */
async function temporaryData(directory: string): Promise<string[]> {
  const inMemory = existsSync('/dev/shm') ? await readdir('/dev/shm') : []
  return [...(await readdir(directory)), ...inMemory].filter((name) => name.startsWith('hotpath-'))
}

test.describe.configure({ timeout: 120_000 })

test('npm start that is killed outright leaves neither server nor services', async ({ npm }) => {
  const state = join(npm.directory, 'state')
  const run = npm.run(['start'], { PORT: '0', HOTPATH_STATE: state })
  await run.says('  app ')
  await expectNothingAfterKill(run, ['server/main.ts', 'redis-server', 'postgres', 'pusher/server/main.ts'])
})

for (const [what, args] of [
  ['a run of tests', (config: string) => ['exec', '--', 'playwright', 'test', '--config', config]],
  ['npm run verify', (config: string) => ['run', 'verify', '--', '--config', config]],
] as const) {
  test(`${what} whose npm is killed outright leaves neither server, services nor data`, async ({ npm }) => {
    const before = await temporaryData(tmpdir())
    const run = npm.run(args(join(npm.directory, 'playwright.config.ts')))
    await run.says('STARTED ')
    await expectNothingAfterKill(run, ['server/main.ts', 'redis-server', 'postgres', 'pusher/server/main.ts'])
    const isNew = (name: string): boolean => !before.includes(name)
    await expect.poll(async () => (await temporaryData(npm.directory)).filter(isNew)).toEqual([])
  })
}

test('a benchmark whose npm is killed outright leaves neither services nor load', async ({ npm }) => {
  const run = npm.run(['run', 'bench', '--', 'cache', '--quick'])
  const isUp = async (): Promise<boolean> =>
    (await whatRuns(processTree(run.process.pid ?? 0))).some((command) => command.includes('redis-server'))
  await expect.poll(isUp, { timeout: 30_000 }).toBe(true)
  await expectNothingAfterKill(run, ['e2e/bench/main.ts', 'redis-server'])
})
