import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import { expect, test } from '#fixtures/test.ts'
import { parseServicesEnvironment } from '#fixtures/services/environment.ts'
import { isRunning, processTree } from '#fixtures/services/process/process-tree.ts'
import { startServices, type Services } from '#fixtures/services/start-services.ts'

const EMBEDDED = parseServicesEnvironment({ SERVICES: 'embedded' })

/** What these services consist of on this machine: processes, and directories of data. */
interface Traces {
  readonly pids: number[]
  readonly directories: string[]
}

async function dataDirectories(services: Services): Promise<string[]> {
  const postgres = new Client({ connectionString: services.postgres.url })
  await postgres.connect()
  const { rows } = await postgres.query<{ data_directory: string }>('show data_directory')
  await postgres.end()
  const redis = new Redis(services.redis.url)
  const [, redisDirectory] = (await redis.config('GET', 'dir')) as [string, string]
  redis.disconnect()
  return [...rows.map(({ data_directory: directory }) => directory), redisDirectory]
}

async function tracesOf(services: Services): Promise<Traces> {
  const pids = [services.postgres, services.redis, services.pusher].flatMap(({ process: { pid } = {} }) =>
    pid === undefined ? [] : processTree(pid),
  )
  return { pids, directories: await dataDirectories(services) }
}

async function expectNothingOf(traces: Traces): Promise<void> {
  // PostgreSQL alone has several processes: without them this would prove nothing.
  expect(traces.pids.length).toBeGreaterThan(5)
  await expect.poll(() => traces.pids.filter(isRunning)).toEqual([])
  await expect.poll(() => traces.directories.filter(existsSync)).toEqual([])
}

test('the three services start together, and stopped they leave neither process nor data', async () => {
  const services = await startServices({ environment: EMBEDDED })
  const traces = await tracesOf(services)
  expect(traces.directories.filter(existsSync)).toHaveLength(2)
  await services.stop()
  await services.stop()
  await expectNothingOf(traces)
})

test('a program that is killed outright leaves neither process nor data', async () => {
  const url = (path: string): string => JSON.stringify(new URL(`../../../fixtures/services/${path}`, import.meta.url))
  const script = `
    import { parseServicesEnvironment } from ${url('environment.ts')}
    import { startServices } from ${url('start-services.ts')}
    await startServices({ environment: parseServicesEnvironment({ SERVICES: 'embedded' }) }).then((services) => {
      const { postgres, redis, pusher } = services
      const parts = [postgres, redis, pusher].map((one) => ({ url: one.url, process: { pid: one.process.pid } }))
      console.log(JSON.stringify(Object.fromEntries(['postgres', 'redis', 'pusher'].map((name, at) => [name, parts[at]]))))
    })`
  const program = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: fileURLToPath(new URL('.', import.meta.url)),
  })
  const [line] = (await once(createInterface({ input: program.stdout }), 'line')) as [string]
  const traces = await tracesOf(JSON.parse(line) as Services)
  program.kill('SIGKILL')
  await expectNothingOf(traces)
})

test('when one service cannot start, those that did are stopped and the error says which and why', async () => {
  const environment = parseServicesEnvironment({
    SERVICES: 'embedded',
    DATABASE_URL: 'postgres://me:hunter2@127.0.0.1:1/x',
  })
  const error = await startServices({ environment }).catch((reason: unknown) => reason)
  const text = String(error)
  expect(text).toContain('PostgreSQL could not be started')
  expect(text).toContain('external: postgres://me:***@127.0.0.1:1/x')
  expect(text).toContain('ECONNREFUSED')
  expect(text).not.toContain('hunter2')
})

test('a reset removes the databases that were created, and the server goes on', async () => {
  await using services = await startServices({ environment: EMBEDDED })
  const { databases } = services.postgres
  await databases.create({ name: 'made' })
  await services.postgres.reset()
  expect(await databases.exists('made')).toBe(false)
  await databases.create({ name: 'made' })
  expect(await databases.exists('made')).toBe(true)
})

test('settings for measuring wait for the disk, settings for tests do not', async () => {
  for (const [profile, fsync] of [
    ['test', 'off'],
    ['measurement', 'on'],
  ] as const) {
    await using services = await startServices({ environment: EMBEDDED, profile })
    const client = new Client({ connectionString: services.postgres.url })
    await client.connect()
    const { rows } = await client.query('show fsync')
    await client.end()
    expect(rows).toEqual([{ fsync }])
  }
})
