import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import { createPublisher } from '#fixtures/services/pusher/official-clients.ts'
import type { PusherService } from '#fixtures/services/pusher/pusher-service.ts'
import { RawClient } from '#fixtures/services/pusher/raw-client.ts'
import type { Own, OwnServices } from '#fixtures/services/own-services.ts'
import type { StartedService } from '#fixtures/services/service.ts'
import { expect, test } from '#fixtures/test.ts'

/** One open connection, as a client of the service has it. */
interface Connection extends AsyncDisposable {
  ask(): Promise<unknown>
  /** Resolves when the other side has cut it. */
  readonly cut: Promise<unknown>
}

/** A service with something in it, and how one finds out that it is there. */
interface Subject extends AsyncDisposable {
  readonly service: Own<StartedService>
  connect(): Promise<Connection>
  /** Rejects when what was stored before is not there. */
  find(): Promise<void>
}

async function connectPostgres(url: string): Promise<Connection & { readonly client: Client }> {
  const client = new Client({ connectionString: url })
  const { promise: cut, resolve } = Promise.withResolvers<void>()
  client.on('error', () => resolve())
  await client.connect()
  return { client, ask: () => client.query('select 1'), cut, [Symbol.asyncDispose]: () => client.end() }
}

async function connectRedis(url: string): Promise<Connection & { readonly client: Redis }> {
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null })
  const { promise: cut, resolve } = Promise.withResolvers<void>()
  client.on('error', () => undefined)
  client.on('close', () => resolve())
  await client.connect()
  return { client, ask: () => client.ping(), cut, [Symbol.asyncDispose]: async () => client.disconnect() }
}

async function connectPusher({ address, apps }: PusherService): Promise<Connection> {
  const client = new RawClient(address, `/app/${apps[0].key}`)
  const welcome = client.received('pusher:connection_established')
  await Promise.race([welcome, client.closed.then(() => Promise.reject(new Error('it could not be opened')))])
  welcome.catch(() => undefined)
  return { ask: () => client.settled(), cut: client.closed, [Symbol.asyncDispose]: () => client[Symbol.asyncDispose]() }
}

const SUBJECTS: Readonly<Record<string, (own: OwnServices) => Promise<Subject>>> = {
  PostgreSQL: async (own) => {
    const service = await own.postgres()
    const connect = () => connectPostgres(service.url)
    await using first = await connect()
    await first.client.query('create table kept as select generate_series(1, 1000) id')
    const find = async (): Promise<void> => {
      await using later = await connect()
      const { rows } = await later.client.query('select count(*)::int from kept')
      expect(rows).toEqual([{ count: 1000 }])
    }
    return { service, connect, find, [Symbol.asyncDispose]: () => service.stop() }
  },
  'Redis that appends to a file': async (own) => {
    const service = await own.redis({ persistence: 'append-only' })
    const connect = () => connectRedis(service.url)
    await using first = await connect()
    await first.client.set('kept', 'yes')
    const find = async (): Promise<void> => {
      await using later = await connect()
      expect(await later.client.get('kept')).toBe('yes')
    }
    return { service, connect, find, [Symbol.asyncDispose]: () => service.stop() }
  },
  'A Pusher Channels server': async (own) => {
    const service = await own.pusher()
    const find = async (): Promise<void> => {
      // Its apps are all that it keeps.
      const { status } = await createPublisher({ ...service.address, ...service.apps[0] }).get({ path: '/channels' })
      expect(status).toBe(200)
    }
    return { service, connect: () => connectPusher(service), find, [Symbol.asyncDispose]: () => service.stop() }
  },
}

/** What a client sees of a question within a time in which every server answers that can. */
async function outcome(question: Promise<unknown>, { cut }: Connection): Promise<string> {
  const answered = question.then(() => 'answered')
  return Promise.race([answered, cut.then(() => 'cut'), sleep(500, 'silence')])
}

for (const [title, start] of Object.entries(SUBJECTS)) {
  test.describe(`${title}, by the way of this run`, () => {
    test.describe.configure({ timeout: 120_000 })

    test('frozen it keeps its connections and answers nothing; thawed it answers what was asked meanwhile', async ({
      ownServices,
    }) => {
      await using subject = await start(ownServices)
      const { process } = subject.service
      await using held = await subject.connect()
      expect(await outcome(held.ask(), held)).toBe('answered')
      await process.freeze()
      await process.freeze()
      const question = held.ask()
      expect(await outcome(question, held)).toBe('silence')
      await process.thaw()
      await process.thaw()
      await question
      expect(process.isRunning).toBe(true)
    })

    test('killed it cuts its connections and takes none; restarted it has the same address and what was stored', async ({
      ownServices,
    }) => {
      await using subject = await start(ownServices)
      const { process } = subject.service
      await using held = await subject.connect()
      await process.kill()
      await held.cut
      expect(process.isRunning).toBe(false)
      await expect(subject.connect()).rejects.toThrow()
      await process.kill()
      await process.restart()
      expect(process.isRunning).toBe(true)
      await subject.find()
    })

    test('frozen it can be restarted in place, and is not frozen any more; frozen it can be stopped', async ({
      ownServices,
    }) => {
      await using subject = await start(ownServices)
      const { process } = subject.service
      await using held = await subject.connect()
      await process.freeze()
      await process.restart()
      await held.cut
      await subject.find()
      await using again = await subject.connect()
      expect(await outcome(again.ask(), again)).toBe('answered')
      await process.freeze()
      await subject.service.stop()
      await again.cut
      await expect(subject.connect()).rejects.toThrow()
    })
  })
}
