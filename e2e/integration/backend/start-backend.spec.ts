import { writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { Client } from 'pg'
import type { BackendConfig, GivenToServer } from '#fixtures/backend/config.ts'
import { startBackend, type RunningBackend } from '#fixtures/backend/start-backend.ts'
import { expect, test } from '#fixtures/test.ts'

/** Answers with its environment. */
const SERVER = `require('node:http').createServer((request, response) => response.end(JSON.stringify(process.env))).listen(process.env.PORT)`

const requests = [{ name: 'variables', build: () => ({ path: '/' }) }]

function configOf(changes: Partial<BackendConfig> = {}): BackendConfig {
  return {
    server: {
      command: [process.execPath, '-e', SERVER],
      services: ['postgres', 'redis', 'pusher'],
      env: ({ port, postgres, redis, pusher }: GivenToServer) => ({
        PORT: port,
        DB: postgres.url,
        DB_HOST: postgres.host,
        DB_USER: postgres.user,
        DB_NAME: postgres.database,
        CACHE: redis.url,
        CACHE_PORT: redis.port,
        SOKETI_KEY: pusher.key,
        SOKETI_HOST: pusher.host,
      }),
    },
    requests,
    ratePerSecond: 1,
    targets: { p95: '<1s' },
    ...changes,
  }
}

async function start(config: BackendConfig): Promise<RunningBackend> {
  return await startBackend(config, { directory: test.info().outputDir })
}

async function rowsOf(backend: RunningBackend): Promise<unknown[]> {
  const client = new Client(backend.given.postgres.url)
  await client.connect()
  const { rows } = await client.query<{ by: string }>('SELECT by FROM steps ORDER BY at')
  await client.end()
  return rows.map(({ by }) => by)
}

test.beforeEach(async () => {
  await writeFile(
    test.info().outputPath('schema.sql'),
    `CREATE TABLE steps (at serial PRIMARY KEY, by text);\nINSERT INTO steps (by) VALUES ('file');\n`,
  )
})

test('a server finds the leased services under the names of its config, whole and in parts', async () => {
  await using backend = await start(configOf())
  const { postgres, redis, pusher } = backend.given
  expect(await (await fetch(backend.url)).json()).toMatchObject({
    DB: postgres.url,
    DB_HOST: postgres.host,
    DB_USER: postgres.user,
    DB_NAME: postgres.database,
    CACHE: redis.url,
    CACHE_PORT: String(redis.port),
    SOKETI_KEY: pusher.key,
    SOKETI_HOST: pusher.host,
  })
  expect(Object.keys(backend.services).toSorted()).toEqual(['postgres', 'pusher', 'redis'])
  expect((await backend.inside?.read())?.heapBytes).toBeGreaterThan(0)
  expect((await backend.inside?.atRest())?.handles).toBeGreaterThan(0)
})

test('files, then the command with the environment of the server, then the function prepare the data', async () => {
  await writeFile(
    test.info().outputPath('seed.cjs'),
    `const { Client } = require(${JSON.stringify(createRequire(import.meta.url).resolve('pg'))})
     const client = new Client(process.env.DB)
     client.connect().then(() => client.query("INSERT INTO steps (by) VALUES ('command')")).then(() => client.end())`,
  )
  const insert = async (url: string): Promise<void> => {
    const client = new Client(url)
    await client.connect()
    await client.query("INSERT INTO steps (by) VALUES ('function')")
    await client.end()
  }
  await using backend = await start(
    configOf({
      data: {
        sql: ['schema.sql'],
        command: [process.execPath, 'seed.cjs'],
        run: ({ postgres }) => insert(postgres.url),
      },
    }),
  )
  expect(await rowsOf(backend)).toEqual(['file', 'command', 'function'])
})

test('what cannot be prepared is named: the file with its line, the command with its output, the function', async () => {
  await writeFile(test.info().outputPath('broken.sql'), 'SELECT 1;\n\nSELEC 2;\n')
  const failing = (data: BackendConfig['data']) => start(configOf({ ...(data && { data }) }))
  await expect(failing({ sql: ['schema.sql', 'broken.sql'] })).rejects.toThrow(/broken\.sql:3: syntax error/)
  await expect(failing({ sql: ['none.sql'] })).rejects.toThrow(/none\.sql: ENOENT/)
  await expect(failing({ command: 'echo no such role; exit 4' })).rejects.toThrow(/failed \(code 4\)[^]*no such role/)
  const run = () => Promise.reject(new Error('no such tenant'))
  await expect(failing({ run })).rejects.toThrow(/data\.run: no such tenant/)
})

test('a service that the environment asks for and the config does not name is named', async () => {
  const server = { command: [process.execPath, '-e', SERVER], env: ({ redis }: GivenToServer) => ({ C: redis.url }) }
  await expect(start(configOf({ server }))).rejects.toThrow('asks for redis, which is not among server.services')
})

test('of a backend that runs already nothing is started, and a path in its address is kept', async () => {
  await using backend = await start(configOf({ server: { url: 'http://127.0.0.1:9/base/' } }))
  expect(backend).toMatchObject({ url: 'http://127.0.0.1:9/base', services: {}, inside: undefined })
})
