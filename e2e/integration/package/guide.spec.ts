import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import { readCodeBlocks } from '#fixtures/guides/code-blocks.ts'
import { createRedisUser } from '#fixtures/guides/redis-user.ts'
import { createGuideApplication, packPackage, type ScratchApplication } from '#fixtures/package/scratch-application.ts'
import { inheritedEnvironment } from '#fixtures/services/environment.ts'
import { pusherVariables } from '#fixtures/services/pusher/pusher-service.ts'
import { expect, test } from '#fixtures/test.ts'

// One installation for all of them. It waits for a registry, or for npm's cache of it.
test.describe.configure({ mode: 'serial', timeout: 120_000 })

const PAGE = 'docs/use-in-your-app.md'

let folder: string
let application: ScratchApplication

test.beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'hotpath-guide-'))
  application = await createGuideApplication(await readCodeBlocks(PAGE), await packPackage(folder))
})

test.afterAll(async () => {
  await application[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

interface Program extends AsyncDisposable {
  /** Where it listens; rejects with what it wrote when it ends before. */
  readonly url: Promise<string>
  readonly output: () => string
  readonly exitCode: Promise<number | null>
  terminate(): void
}

/** Runs a compiled file of the application, as its owner would. */
function run(file: string, variables: Readonly<Record<string, string>>): Program {
  const env = { ...inheritedEnvironment(), PORT: '0', ...variables }
  const child = spawn(process.execPath, [path.join('out', file)], { cwd: application.folder, env })
  const chunks: string[] = []
  const output = (): string => chunks.join('')
  const { promise: url, resolve, reject } = Promise.withResolvers<string>()
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      chunks.push(chunk.toString())
      const [, port] = /listening on port (\d+)/.exec(output()) ?? []
      if (port !== undefined) resolve(`http://127.0.0.1:${port}`)
    })
  }
  const exitCode = once(child, 'close').then(([code]) => code as number | null)
  void exitCode.then(() => reject(new Error(output())))
  url.catch(() => undefined)
  return {
    url,
    output,
    exitCode,
    terminate: () => void child.kill('SIGTERM'),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await exitCode
    },
  }
}

interface Change {
  readonly id: number
  readonly status: string
}

interface Page {
  readonly listenToOrders: (settings: object) => {
    readonly client: { disconnect(): void }
    readonly channel: { bind(event: string, callback: () => void): void }
  }
}

/** The module of the page in this process, with the pusher-js that the application has installed. */
async function listen(url: string, customer: string, pusher: object) {
  const { listenToOrders } = (await import(path.join(application.folder, 'page.js'))) as Page
  const changes: Change[] = []
  const { client, channel } = listenToOrders({
    customer,
    onChange: (change: Change) => changes.push(change),
    onGap: () => undefined,
    pusher: {
      ...pusher,
      channelAuthorization: {
        endpoint: `${url}/pusher/auth`,
        transport: 'ajax',
        headers: { 'x-customer': 'ada' },
      },
    },
  })
  const answer = await new Promise<string>((resolve) => {
    channel.bind('pusher:subscription_succeeded', () => resolve('heard'))
    channel.bind('pusher:subscription_error', () => resolve('refused'))
  })
  return { answer, changes, [Symbol.dispose]: () => client.disconnect() }
}

const json = async (url: string): Promise<unknown> => await (await fetch(url)).json()

function put(url: string, status: string): Promise<Response> {
  const body = JSON.stringify({ customer: 'ada', status })
  return fetch(url, { method: 'PUT', headers: { 'content-type': 'application/json' }, body })
}

test('the application of the page, as the Redis user of the page: a cached read, a change that is heard, SIGTERM, exit code 0', async ({
  postgres,
  pusher,
  ownServices,
}) => {
  await postgres.reset()
  await using redis = await ownServices.redis()
  // Another database than the first one: that has to be allowed, too.
  const redisUrl = new URL('/1', redis.url).href
  await using user = await createRedisUser(redisUrl)
  const variables = { DATABASE_URL: postgres.url, REDIS_URL: user.url, ...pusherVariables(pusher, pusher) }
  expect(await run('migrate.js', variables).exitCode).toBe(0)
  await using program = run('main.js', variables)
  const url = await program.url
  expect(await json(`${url}/health`)).toEqual({ status: 'healthy', reasons: [] })

  const { key, host, port, useTls } = pusher
  const options = { key, wsHost: host, wsPort: port, wssPort: port, forceTLS: useTls, cluster: '', enableStats: false }
  using stranger = await listen(url, 'grace', options)
  expect(stranger.answer).toBe('refused')
  using page = await listen(url, 'ada', options)
  expect(page.answer).toBe('heard')

  const order = `${url}/orders/7`
  expect((await fetch(order)).status).toBe(404)
  expect((await put(order, 'paid')).status).toBe(204)
  expect(await json(order)).toEqual({ id: 7, customer: 'ada', status: 'paid' })
  await expect.poll(() => page.changes).toEqual([{ id: 7, status: 'paid' }])

  const admin = new Redis(redisUrl)
  await expect
    .poll(async () => String(await admin.getBuffer((await admin.keys('shop:e:*'))[0] ?? '')))
    .toContain('paid')
  // Whoever writes past the application is not seen: the value is the cache's.
  const client = new Client(postgres.url)
  await client.connect()
  await client.query("update orders set status = 'forged'")
  await client.end()
  expect(await json(order)).toEqual({ id: 7, customer: 'ada', status: 'paid' })
  expect((await put(order, 'sent')).status).toBe(204)
  expect(await json(order)).toEqual({ id: 7, customer: 'ada', status: 'sent' })
  await expect.poll(() => page.changes.at(-1)).toEqual({ id: 7, status: 'sent' })

  const connections = async () => String(await admin.client('LIST')).match(/ user=shop /g)?.length ?? 0
  const before = await connections()
  await admin.client('KILL', 'USER', 'shop')
  await expect.poll(connections).toBe(before)
  await expect.poll(() => json(`${url}/health`)).toEqual({ status: 'healthy', reasons: [] })
  admin.disconnect()
  expect(await user.denials()).toEqual([])
  const other = new Redis(user.url)
  await expect(other.get('strangers')).rejects.toThrow('NOPERM')
  await expect(other.flushall()).rejects.toThrow('NOPERM')
  other.disconnect()
  program.terminate()
  expect(await program.exitCode).toBe(0)
  expect(program.output().trim()).toMatch(/^listening on port \d+$/)
})

test('the route as it was answers what the cached one answers', async ({ postgres, redis, pusher }) => {
  await postgres.reset()
  const variables = { DATABASE_URL: postgres.url, REDIS_URL: redis.url, ...pusherVariables(pusher, pusher) }
  expect(await run('migrate.js', variables).exitCode).toBe(0)
  await writeFile(
    path.join(application.folder, 'out/plain.js'),
    `import express from 'express'
     import { MikroORM } from '@mikro-orm/postgresql'
     import { Order } from './order.js'
     import { plainOrders } from './plain-orders.js'
     const orm = await MikroORM.init({ clientUrl: process.env.DATABASE_URL, entities: [Order] })
     const server = express().use(plainOrders(orm)).listen(0, () => console.log('listening on port ' + server.address().port))`,
  )
  await using cached = run('main.js', variables)
  await using plain = run('plain.js', variables)
  await put(`${await cached.url}/orders/8`, 'paid')
  for (const id of [8, 9]) {
    const [a, b] = await Promise.all([cached, plain].map(async ({ url }) => await fetch(`${await url}/orders/${id}`)))
    expect(b?.status).toBe(id === 8 ? 200 : 404)
    expect([a?.status, await a?.text()]).toEqual([b?.status, await b?.text()])
  }
})

test('without the table of the outbox the application does not start, and its error names the table and the migration', async ({
  postgres,
  redis,
  pusher,
}) => {
  await postgres.reset()
  const variables = { DATABASE_URL: postgres.url, REDIS_URL: redis.url, ...pusherVariables(pusher, pusher) }
  await using program = run('main.js', variables)
  expect(await program.exitCode).toBe(1)
  expect(program.output()).toContain('The table hotpath_outbox is missing: it comes by `outboxMigration`')
})
