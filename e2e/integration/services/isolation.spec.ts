import { Redis } from 'ioredis'
import { Client } from 'pg'
import { expect, test } from '#fixtures/test.ts'
import { leaseDatabase, leasePusher, leaseRedis } from '#fixtures/services/broker/broker-client.ts'

async function sql(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(text)).rows
  } finally {
    await client.end()
  }
}

test('two leases of a database do not see each other', async ({ postgres }) => {
  await using other = await leaseDatabase('empty', 'test')
  await sql(postgres.url, 'create table mine (id int)')
  const tables = await sql(other.url, `select * from information_schema.tables where table_name = 'mine'`)
  expect(tables).toEqual([])
  await postgres.reset()
})

test('a reset database is the template again', async () => {
  await using database = await leaseDatabase('empty', 'test')
  await sql(database.url, 'create table mine (id int)')
  await database.reset()
  const tables = await sql(database.url, `select * from information_schema.tables where table_name = 'mine'`)
  expect(tables).toEqual([])
})

test('a returned database is gone', async () => {
  const database = await leaseDatabase('empty', 'test')
  await database[Symbol.asyncDispose]()
  await expect(sql(database.url, 'select 1')).rejects.toThrow('does not exist')
})

test('two leases of Redis share neither keys nor channels (skipped on an external server, which has one set of channels)', async ({
  redis,
}) => {
  await using lease = await leaseRedis()
  await using mine = disposable(new Redis(redis.url))
  await using theirs = disposable(new Redis(lease.url))
  await mine.client.set('key', 'mine')
  expect(await theirs.client.get('key')).toBeNull()
  test.skip(redis.provider === 'external', 'one external server has one set of channels')
  await theirs.client.subscribe('channel')
  expect(await mine.client.publish('channel', 'for nobody')).toBe(0)
})

test('a reset Redis is empty', async () => {
  await using lease = await leaseRedis()
  await using mine = disposable(new Redis(lease.url))
  await mine.client.set('key', 'value')
  await lease.reset()
  expect(await mine.client.dbsize()).toBe(0)
})

test('two leases of Pusher are two apps', async ({ pusher }) => {
  await using other = await leasePusher()
  expect(other.key).not.toBe(pusher.key)
  expect(other.secret).not.toBe(pusher.secret)
})

test('a lease names its provider and the version of the software', async ({ postgres, redis }) => {
  expect(['embedded', 'container', 'external']).toContain(postgres.provider)
  expect(postgres.version).toMatch(/^\d+\.\d+/)
  expect(redis.version).toMatch(/\d+\.\d+/)
})

function disposable(client: Redis): AsyncDisposable & { readonly client: Redis } {
  return { client, [Symbol.asyncDispose]: async () => client.disconnect() }
}
