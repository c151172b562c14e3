import { Redis } from 'ioredis'
import { Client } from 'pg'
import { expect, test } from '#fixtures/test.ts'
import { createPublisher, Subscriber } from '#fixtures/services/pusher/official-clients.ts'
import { startFaultProxy } from '#fixtures/services/proxy/fault-proxy.ts'

interface Held<T> extends AsyncDisposable {
  readonly client: T
}

function redisClient(url: string, options: { commandTimeout?: number } = {}): Held<Redis> {
  const client = new Redis(url, { ...options, retryStrategy: () => 20, maxRetriesPerRequest: null })
  client.on('error', () => undefined)
  return { client, [Symbol.asyncDispose]: async () => client.disconnect() }
}

async function postgresClient(url: string, options: { query_timeout?: number } = {}): Promise<Held<Client>> {
  const client = new Client({ connectionString: url, ...options })
  client.on('error', () => undefined)
  await client.connect()
  return { client, [Symbol.asyncDispose]: () => client.end().catch(() => undefined) }
}

test.describe('Redis behind the proxy', () => {
  test('added latency is on every command, and no command is lost when it ends', async ({ redis }) => {
    await using proxy = await startFaultProxy(redis.url)
    await using held = redisClient(proxy.through(redis.url))
    await held.client.set('count', 0)
    const latency = await proxy.inject({ kind: 'latency', ms: 30, jitterMs: 5 })
    const begun = performance.now()
    await held.client.incr('count')
    expect(performance.now() - begun).toBeGreaterThanOrEqual(48)
    const pending = [held.client.incr('count'), held.client.incr('count')]
    await latency.end()
    await Promise.all(pending)
    expect(await held.client.get('count')).toBe('3')
  })

  test('a reset connection is opened again by the client', async ({ redis }) => {
    await using proxy = await startFaultProxy(redis.url)
    await using held = redisClient(proxy.through(redis.url))
    await held.client.ping()
    proxy.reset()
    expect(await held.client.ping()).toBe('PONG')
    expect(proxy.counters.accepted).toBe(2)
  })

  test('a half-open connection is silent: only the client’s own time limit ends a command', async ({ redis }) => {
    await using proxy = await startFaultProxy(redis.url)
    await using held = redisClient(proxy.through(redis.url), { commandTimeout: 300 })
    await held.client.ping()
    proxy.halfOpen()
    await expect(held.client.ping()).rejects.toThrow('Command timed out')
  })

  test('while connections are refused the client waits, and comes back by itself', async ({ redis }) => {
    await using proxy = await startFaultProxy(redis.url)
    await using held = redisClient(proxy.through(redis.url))
    await held.client.ping()
    const refusal = await proxy.inject({ kind: 'refuse' })
    const refused = new Promise<Error>((resolve) => held.client.on('error', resolve))
    proxy.reset()
    const waiting = held.client.ping()
    await expect(refused).resolves.toMatchObject({ code: expect.stringMatching(/ECONNRE(FUSED|SET)/) })
    await refusal.end()
    expect(await waiting).toBe('PONG')
  })
})

test.describe('PostgreSQL behind the proxy', () => {
  test('a connection cut in the middle of a result fails the query instead of shortening the result', async ({
    postgres,
  }) => {
    await using proxy = await startFaultProxy(postgres.url)
    await using held = await postgresClient(proxy.through(postgres.url))
    await using _cut = await proxy.inject({ kind: 'cut', afterBytes: 10_000, direction: 'toClient' })
    await expect(held.client.query(`select repeat('x', 1000) from generate_series(1, 100)`)).rejects.toThrow()
  })

  test('a reset ends the session on the server as well', async ({ postgres }) => {
    await using proxy = await startFaultProxy(postgres.url)
    await using held = await postgresClient(proxy.through(postgres.url))
    await using observer = await postgresClient(postgres.url)
    const { rows } = await held.client.query<{ pid: number }>('select pg_backend_pid() pid')
    const isAlive = async (): Promise<boolean> => {
      const { rowCount } = await observer.client.query('select 1 from pg_stat_activity where pid = $1', [rows[0]?.pid])
      return rowCount === 1
    }
    expect(await isAlive()).toBe(true)
    proxy.reset()
    await expect.poll(isAlive).toBe(false)
  })

  test('a limited bandwidth delays a large result and delivers it whole', async ({ postgres }) => {
    await using proxy = await startFaultProxy(postgres.url)
    await using held = await postgresClient(proxy.through(postgres.url))
    await using _limit = await proxy.inject({ kind: 'bandwidth', bytesPerSec: 1_000_000, direction: 'toClient' })
    const begun = performance.now()
    const { rows } = await held.client.query<{ text: string }>(`select repeat('x', 300000) as text`)
    expect(rows[0]?.text).toHaveLength(300_000)
    expect(performance.now() - begun).toBeGreaterThanOrEqual(290)
  })
})

test.describe('Pusher behind the proxy', () => {
  test('a half-open connection is found out by pusher-js, which connects anew and receives again', async ({
    pusher,
  }) => {
    await using proxy = await startFaultProxy(pusher.url)
    const behind = { ...pusher, host: '127.0.0.1', port: proxy.port }
    await using subscriber = await Subscriber.connect(behind, { client: { activityTimeout: 300, pongTimeout: 300 } })
    await subscriber.subscribe('news')
    const { socketId } = subscriber
    proxy.halfOpen()
    await expect.poll(() => subscriber.socketId).not.toBe(socketId)
    await subscriber.whenState('connected')
    await expect.poll(() => subscriber.dataOf('news', 'pusher_internal:subscription_succeeded')).toHaveLength(2)
    await createPublisher(pusher).trigger('news', 'told', 1)
    await expect.poll(() => subscriber.dataOf('news', 'told')).toEqual([1])
  })
})

test('a killed Pusher server comes back on the same port with the same apps, and its clients with it', async ({
  ownServices,
}) => {
  test.setTimeout(120_000)
  await using service = await ownServices.pusher()
  const target = { ...service.address, ...service.apps[0] }
  await using subscriber = await Subscriber.connect(target)
  await subscriber.subscribe('private-news')
  await service.process.kill()
  await expect(createPublisher(target).trigger('private-news', 'told', 0)).rejects.toThrow()
  await service.process.restart()
  // pusher-js waits longer after each attempt, and soketi takes seconds to start.
  const subscriptions = () => subscriber.dataOf('private-news', 'pusher_internal:subscription_succeeded')
  await expect.poll(subscriptions, { timeout: 60_000 }).toHaveLength(2)
  await createPublisher(target).trigger('private-news', 'told', 1)
  await expect.poll(() => subscriber.dataOf('private-news', 'told')).toEqual([1])
})
