import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFile, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Client } from 'pg'
import { expect, test as base } from '#fixtures/test.ts'
import { inheritedEnvironment } from '#fixtures/services/environment.ts'
import { freePort } from '#fixtures/services/process/free-port.ts'

const DEV = fileURLToPath(new URL('../../../fixtures/dev.ts', import.meta.url))

interface DevRun {
  readonly process: ChildProcess
  readonly output: readonly string[]
  /** The value of a row of the summary, once it is printed; rejects when the program ends before. */
  row(name: string): Promise<string>
  /** Ctrl-C, and the exit code. */
  interrupt(): Promise<number | null>
}

interface Dev {
  readonly directory: string
  start(environment: Readonly<Record<string, string>>, ...args: string[]): DevRun
}

function run(directory: string, environment: Readonly<Record<string, string>>, args: readonly string[]): DevRun {
  const program = spawn(process.execPath, [DEV, ...args], {
    env: { ...inheritedEnvironment(), HOTPATH_STATE: directory, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output: string[] = []
  for (const input of [program.stdout, program.stderr]) {
    createInterface({ input }).on('line', (line) => output.push(line))
  }
  const exited = once(program, 'close').then(([code]) => code as number | null)
  return {
    process: program,
    output,
    row: async (name) => {
      const find = (): string | undefined => output.find((line) => line.startsWith(`  ${name.padEnd(11)} `))
      await expect
        .poll(() => find() !== undefined || program.exitCode !== null, { timeout: 25_000, message: output.join('\n') })
        .toBe(true)
      const row = find()
      if (row === undefined) throw new Error(`the dev server ended before it was up:\n${output.join('\n')}`)
      return row.slice(14)
    },
    interrupt: async () => {
      program.kill('SIGINT')
      return exited
    },
  }
}

/** A dev server with a data directory of this test's own. */
const test = base.extend<{ dev: Dev }>({
  dev: async ({ ownServices }, use) => {
    // It keeps its data by embedded services, and takes a container where the machine has no redis-server only.
    const variables = { ...ownServices.variables, SERVICES: 'auto' }
    const directory = join(tmpdir(), `hotpath-dev-${randomUUID()}`)
    const started: DevRun[] = []
    await use({
      directory,
      start: (environment, ...args) => {
        const one = run(directory, { ...variables, ...environment }, args)
        started.push(one)
        return one
      },
    })
    for (const one of started) await one.interrupt()
    await rm(directory, { recursive: true, force: true })
  },
})

async function sql(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(text)).rows
  } finally {
    await client.end()
  }
}

test('the dev server prints where everything is, and it is there; its data outlive it until they are reset', async ({
  dev,
}) => {
  test.setTimeout(90_000)
  const first = dev.start({ PORT: '0' })
  const app = await first.row('app')
  expect((await fetch(`${app}/health/ready`)).status).toBe(200)
  const key = await first.row('pusher key')
  await sql(await first.row('database'), `create table mine as select 1 as id`)
  expect(await first.interrupt()).toBe(0)
  await expect(fetch(app)).rejects.toThrow()

  const second = dev.start({ PORT: '0' })
  expect(await sql(await second.row('database'), 'select id from mine')).toEqual([{ id: 1 }])
  expect(await second.row('pusher key')).toBe(key)
  expect(await second.interrupt()).toBe(0)

  const third = dev.start({ PORT: '0' }, '--reset')
  await expect(sql(await third.row('database'), 'select id from mine')).rejects.toThrow('does not exist')
  expect(await third.row('pusher key')).not.toBe(key)
})

test('a taken port ends the dev server before anything is started, with one line that names it', async ({ dev }) => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const program = dev.start({ PORT: String(port) })
  await once(program.process, 'close')
  server.close()
  expect(program.process.exitCode).toBe(1)
  expect(program.output).toEqual([
    `PORT: 127.0.0.1:${port} is already in use; set PORT to another, or 0 for any free one (see docs/troubleshooting.md#a-port-is-taken)`,
  ])
})

test('an invalid variable ends the dev server with one line that names it', async ({ dev }) => {
  const program = dev.start({ PORT: '0', REDIS_URL: 'http://localhost' })
  await once(program.process, 'close')
  expect(program.process.exitCode).toBe(1)
  expect(program.output.at(-1)).toMatch(/^Invalid environment: REDIS_URL: /)
})

test('Ctrl-C while the services are starting ends everything', async ({ dev }) => {
  const program = dev.start({ PORT: '0' })
  await expect.poll(() => program.output.length).toBeGreaterThan(0)
  expect(await program.interrupt()).toBe(0)
  const again = dev.start({ PORT: '0' })
  expect(await again.row('app')).toMatch(/^http/)
})

for (const [what, environment, args] of [
  ['on the same port', {}, []],
  ['on any other port', { PORT: '0' }, []],
  ['to start over', { PORT: '0' }, ['--reset']],
] as const) {
  test(`a second dev server on the same data, ${what}, says where the first runs, and touches nothing of it`, async ({
    dev,
  }) => {
    const first = dev.start({ PORT: String(await freePort()) })
    const app = await first.row('app')
    const lockFile = join(dev.directory, 'running.json')
    const lock = await readFile(lockFile, 'utf8')
    await sql(await first.row('database'), 'create table mine as select 1 as id')

    const second = dev.start({ PORT: new URL(app).port, ...environment }, ...args)
    await once(second.process, 'close')
    expect(second.process.exitCode).toBe(1)
    expect(second.output).toEqual([
      `Hotpath runs already on the data in ${dev.directory}: open ${app} (pid ${first.process.pid}; to stop it: kill ${first.process.pid}) (see docs/troubleshooting.md#a-port-is-taken)`,
    ])

    expect((await fetch(`${app}/health/ready`)).status).toBe(200)
    expect(await sql(await first.row('database'), 'select id from mine')).toEqual([{ id: 1 }])
    expect(await readFile(lockFile, 'utf8')).toBe(lock)
    expect(await first.interrupt()).toBe(0)
  })
}

test('after a dev server was killed outright the next one takes its data', async ({ dev }) => {
  test.setTimeout(60_000)
  const first = dev.start({ PORT: '0' })
  await sql(await first.row('database'), 'create table mine as select 1 as id')
  const ended = once(first.process, 'close')
  first.process.kill('SIGKILL')
  await ended
  const second = dev.start({ PORT: '0' })
  expect(await sql(await second.row('database'), 'select id from mine')).toEqual([{ id: 1 }])
})

test('a dev server in whose folder another one is starting says so', async ({ dev }) => {
  const first = dev.start({ PORT: '0' })
  await expect.poll(() => first.output.length).toBeGreaterThan(0)
  const second = dev.start({ PORT: '0' })
  await once(second.process, 'close')
  expect(second.output).toEqual([expect.stringContaining(`(pid ${first.process.pid};`)])
  expect(await first.row('app')).toMatch(/^http/)
})
