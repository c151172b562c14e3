import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import { expect, test } from '#fixtures/test.ts'
import { containerIds, containersAt } from '#fixtures/services/containers/find-containers.ts'
import { inheritedEnvironment, parseServicesEnvironment } from '#fixtures/services/environment.ts'
import { isRunning, processTree } from '#fixtures/services/process/process-tree.ts'
import type { StartedService } from '#fixtures/services/service.ts'
import { startServices } from '#fixtures/services/start-services.ts'

/** What these services consist of: processes and directories of this machine, and containers of its engine. */
interface Traces {
  readonly pids: readonly number[]
  readonly directories: readonly string[]
  readonly containers: readonly string[]
}

/** As much of a started service as a program can tell by one line. */
type Described = Pick<StartedService, 'name' | 'url' | 'provider'> & { readonly pid: number | undefined }

const describe = ({ name, url, provider, process }: StartedService): Described => ({
  name,
  url,
  provider,
  pid: process?.pid,
})

async function dataDirectory({ name, url }: Described): Promise<string[]> {
  if (name === 'pusher') return []
  if (name === 'redis') {
    const redis = new Redis(url)
    const [, directory] = (await redis.config('GET', 'dir')) as [string, string]
    redis.disconnect()
    return [directory]
  }
  const postgres = new Client({ connectionString: url })
  await postgres.connect()
  const { rows } = await postgres.query<{ data_directory: string }>('show data_directory')
  await postgres.end()
  return rows.map(({ data_directory: directory }) => directory)
}

async function tracesOf(services: readonly Described[]): Promise<Traces> {
  const embedded = services.filter(({ provider }) => provider === 'embedded')
  const contained = services.filter(({ provider }) => provider === 'container')
  const ports = contained.map(({ url }) => Number(new URL(url).port))
  const traces = {
    pids: embedded.flatMap(({ pid }) => (pid === undefined ? [] : processTree(pid))),
    directories: (await Promise.all(embedded.map(dataDirectory))).flat(),
    containers: ports.length === 0 ? [] : await containersAt(ports),
  }
  // PostgreSQL alone has several processes: without them this would prove nothing.
  const hasPostgres = embedded.some(({ name }) => name === 'postgres')
  expect(traces.pids.length).toBeGreaterThanOrEqual(embedded.length + (hasPostgres ? 3 : 0))
  expect(traces.directories.every(existsSync)).toBe(true)
  expect(traces.containers).toHaveLength(contained.length)
  expect(embedded.length + contained.length).toBe(3)
  return traces
}

async function expectNothingOf({ pids, directories, containers }: Traces): Promise<void> {
  await expect.poll(() => pids.filter(isRunning)).toEqual([])
  await expect.poll(() => directories.filter(existsSync)).toEqual([])
  if (containers.length === 0) return
  const left = async (): Promise<string[]> => (await containerIds()).filter((id) => containers.includes(id))
  await expect.poll(left, { timeout: 30_000 }).toEqual([])
}

test.describe.configure({ timeout: 120_000 })

test('the three services start together, and stopped they leave neither process, data nor container', async ({
  ownServices: { environment },
}) => {
  const services = await startServices({ environment })
  const traces = await tracesOf([services.postgres, services.redis, services.pusher].map(describe))
  await services.stop()
  await services.stop()
  await expectNothingOf(traces)
})

test('a program that is killed outright leaves neither process, data nor container', async ({ ownServices }) => {
  const url = (path: string): string => JSON.stringify(new URL(`../../../fixtures/services/${path}`, import.meta.url))
  const script = `
    import { startServices } from ${url('start-services.ts')}
    const { postgres, redis, pusher } = await startServices()
    const describe = ({ name, url, provider, process }) => ({ name, url, provider, pid: process.pid })
    console.log(JSON.stringify([postgres, redis, pusher].map(describe)))`
  const program = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...inheritedEnvironment(), ...ownServices.variables },
    cwd: fileURLToPath(new URL('.', import.meta.url)),
  })
  const [line] = (await once(createInterface({ input: program.stdout }), 'line')) as [string]
  const traces = await tracesOf(JSON.parse(line) as Described[])
  program.kill('SIGKILL')
  await expectNothingOf(traces)
})

test('when one service cannot start, those that did are stopped and the error says which and why', async ({
  ownServices,
}) => {
  const environment = parseServicesEnvironment({
    ...ownServices.variables,
    DATABASE_URL: 'postgres://me:hunter2@127.0.0.1:1/x',
  })
  const error = await startServices({ environment }).catch((reason: unknown) => reason)
  const text = String(error)
  expect(text).toContain('PostgreSQL could not be started')
  expect(text).toContain('external: postgres://me:***@127.0.0.1:1/x')
  expect(text).toContain('ECONNREFUSED')
  expect(text).not.toContain('hunter2')
})

test('a reset removes the databases that were created, and the server goes on', async ({ ownServices }) => {
  await using postgres = await ownServices.postgres()
  const { databases } = postgres
  await databases.create({ name: 'made' })
  await postgres.reset()
  expect(await databases.exists('made')).toBe(false)
  await databases.create({ name: 'made' })
  expect(await databases.exists('made')).toBe(true)
})

test('settings for measuring wait for the disk, settings for tests do not', async ({ ownServices }) => {
  for (const [profile, fsync] of [
    ['test', 'off'],
    ['measurement', 'on'],
  ] as const) {
    await using postgres = await ownServices.postgres({ profile })
    const client = new Client({ connectionString: postgres.url })
    await client.connect()
    const { rows } = await client.query('show fsync')
    await client.end()
    expect(rows).toEqual([{ fsync }])
  }
})
