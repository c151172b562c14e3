import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { expect, test } from '#fixtures/test.ts'
import { inheritedEnvironment } from '#fixtures/services/environment.ts'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const CLI = join(ROOT, 'node_modules/@playwright/test/cli.js')
const SETUP = join(ROOT, 'fixtures/playwright/global-setup.ts')

/** Uses every service, says where they are, and never ends. */
const ENDLESS = `
  import { Redis } from 'ioredis'
  import { Client } from 'pg'
  import { test } from '#fixtures/test.ts'

  test('endless', async ({ postgres, redis, pusher }) => {
    test.setTimeout(0)
    const client = new Client({ connectionString: postgres.url })
    await client.connect()
    const { rows } = await client.query('show data_directory')
    const cache = new Redis(redis.url)
    const [, redisDirectory] = await cache.config('GET', 'dir')
    const directories = [[postgres, rows[0].data_directory], [redis, redisDirectory]]
      .flatMap(([{ provider }, directory]) => provider === 'embedded' ? [directory] : [])
    const ports = [postgres.url, redis.url, pusher.url].map((url) => Number(new URL(url).port))
    await client.end()
    cache.disconnect()
    console.log('STARTED ' + JSON.stringify({ ports, directories }))
    await new Promise(() => {})
  })`

const Started = z.object({ ports: z.array(z.number()).length(3), directories: z.array(z.string()) })

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

interface EndlessRun extends AsyncDisposable {
  readonly process: ChildProcess
  readonly started: z.infer<typeof Started>
}

async function startEndlessRun(variables: Readonly<Record<string, string>>): Promise<EndlessRun> {
  // Below the project, so that what it imports is found.
  const directory = join(ROOT, '.hotpath', `interrupted-run-${randomUUID()}`)
  await mkdir(directory, { recursive: true })
  const config = { testDir: '.', outputDir: 'out', globalSetup: SETUP, workers: 1, reporter: [['line']] }
  await writeFile(join(directory, 'playwright.config.ts'), `export default ${JSON.stringify(config)}`)
  await writeFile(join(directory, 'endless.spec.ts'), ENDLESS)
  const run = spawn(process.execPath, [CLI, 'test'], {
    cwd: directory,
    env: { ...inheritedEnvironment(), ...variables },
    stdio: ['ignore', 'pipe', 'inherit'],
    // A process group of its own, as a terminal gives to each command.
    detached: true,
  })
  const lines: string[] = []
  for await (const line of createInterface({ input: run.stdout })) {
    const [, text] = line.split('STARTED ')
    if (text !== undefined) {
      const remove = (): Promise<void> => rm(directory, { recursive: true })
      return { process: run, started: Started.parse(JSON.parse(text)), [Symbol.asyncDispose]: remove }
    }
    lines.push(line)
  }
  throw new Error(`the run ended before its services were up:\n${lines.join('\n')}`)
}

async function expectNothingOf({ ports, directories }: z.infer<typeof Started>): Promise<void> {
  for (const port of ports) await expect.poll(() => isListening(port), { timeout: 30_000 }).toBe(false)
  await expect.poll(() => directories.filter(existsSync)).toEqual([])
}

test.describe.configure({ timeout: 120_000 })

for (const [title, interrupt] of [
  ['Ctrl-C', ({ pid = 0 }: ChildProcess) => process.kill(-pid, 'SIGINT')],
  ['SIGTERM', (run: ChildProcess) => run.kill('SIGTERM')],
] as const) {
  test(`${title} during a run ends it, and leaves neither services nor data`, async ({ ownServices }) => {
    await using run = await startEndlessRun(ownServices.variables)
    expect(run.started.directories.every(existsSync)).toBe(true)
    const ended = once(run.process, 'exit')
    interrupt(run.process)
    await ended
    await expectNothingOf(run.started)
  })
}

test('a run that is killed outright leaves neither services nor data', async ({ ownServices }) => {
  await using run = await startEndlessRun(ownServices.variables)
  expect(run.started.directories.every(existsSync)).toBe(true)
  run.process.kill('SIGKILL')
  await expectNothingOf(run.started)
})
