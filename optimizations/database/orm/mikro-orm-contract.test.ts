import { createHash } from 'node:crypto'
import { EntityManager, type MikroORM } from '@mikro-orm/core'
import {
  AbstractSqlConnection,
  MikroORM as PostgresOrm,
  PostgreSqlConnection,
  PostgreSqlDriver,
} from '@mikro-orm/postgresql'
import { expect, test } from '@playwright/test'
import { PostgresDialect } from 'kysely'
import { Client, types } from 'pg'
import { libraryEntities } from '#fixtures/data/library.ts'

/**
 * This module redoes a few steps of MikroORM, and lives on a few members of `pg` that nobody promised. When an upgrade
 * changes one of them this fails: read the difference, follow it, and then write down the new digest.
 */
const digest = (source: unknown): string =>
  createHash('sha256').update(String(source).replaceAll(/\s+/g, ' ')).digest('hex').slice(0, 12)

const sources = (): Record<string, string> => ({
  execute: digest(Reflect.get(AbstractSqlConnection.prototype, 'execute')),
  begin: digest(Reflect.get(AbstractSqlConnection.prototype, 'begin')),
  prepareQuery: digest(Reflect.get(AbstractSqlConnection.prototype, 'prepareQuery')),
  transformRawResult: digest(Reflect.get(AbstractSqlConnection.prototype, 'transformRawResult')),
  createKyselyDialect: digest(Reflect.get(PostgreSqlConnection.prototype, 'createKyselyDialect')),
  emBegin: digest(Reflect.get(EntityManager.prototype, 'begin')),
})

async function unconnected(): Promise<MikroORM<PostgreSqlDriver>> {
  const options = { entities: libraryEntities, dbName: 'nowhere', ensureDatabase: false, connect: false }
  return await PostgresOrm.init({ driver: PostgreSqlDriver, ...options })
}

test('the steps of MikroORM that are redone here are still the ones that were read', () => {
  expect(sources()).toEqual({
    execute: '3e31dec7f114',
    begin: 'e5452945730a',
    prepareQuery: 'ae98a059855f',
    transformRawResult: '5c179960c1dc',
    createKyselyDialect: '72e0edf802a8',
    emBegin: 'bdd4f58ed4cb',
  })
})

test('literals are written as the parameters here assume', async () => {
  const platform = (await unconnected()).em.getPlatform()
  const literal = (value: unknown): string => platform.formatQuery('?', [value])
  expect([literal(1), literal(1.5), literal(true), literal(null)]).toEqual(['1', '1.5', 'true', 'null'])
  expect([literal('x'), literal(5n), literal({ a: 1 })]).toEqual(["'x'", "'5'", '\'{"a":1}\''])
  expect(literal(Buffer.from([255]))).toBe("E'\\\\xff'")
  expect(literal(new Date(0))).toMatch(/^'\d{4}-\d\d-\d\dT.*'$/)
  expect(platform.formatQuery('a \\? ? ??', [1, 'b'])).toBe('a ? 1 "b"')
  expect(platform.formatQuery('a \\? b', [])).toBe('a \\? b')
  expect(Reflect.get(platform, 'formatDate')).toBeInstanceOf(Function)
})

test('the connection maps its options to a client with type parsers, and the driver takes ours', async () => {
  const orm = await unconnected()
  const connection = orm.em.getConnection()
  expect(connection.mapOptions({}).types?.getTypeParser(types.builtins.TIMESTAMPTZ, 'text')('2024-01-01')).toBe(
    '2024-01-01',
  )
  expect(Reflect.set(orm.driver, 'connection', connection)).toBe(true)
  expect(PostgresDialect).toBeInstanceOf(Function)
})

test('a client of pg still has the members that cancel, prepare and tell the state of a transaction', () => {
  const client = new Client({ host: '127.0.0.1' })
  expect(client.getTransactionStatus()).toBeNull()
  expect(client.getTypeParser(types.builtins.INT4, 'text')('7')).toBe(7)
  for (const member of ['processID', 'secretKey', 'connection', 'port', 'host']) expect(client).toHaveProperty(member)
  const connection: object = Reflect.get(client, 'connection')
  expect(Reflect.get(connection, 'parsedStatements')).toEqual({})
  const methods = ['parse', 'bind', 'describe', 'execute', 'close', 'sync', 'query', 'sendCopyFail']
  for (const method of methods) expect(Reflect.get(connection, method), method).toBeInstanceOf(Function)
  const handlers = ['ReadyForQuery', 'ErrorMessage', 'RowDescription', 'DataRow', 'CommandComplete', 'ParseComplete']
  for (const handler of handlers) expect(Reflect.get(client, `_handle${handler}`), handler).toBeInstanceOf(Function)
  const options = { host: '127.0.0.1', pipeline: true }
  const pipelined = new Client(options)
  expect(Reflect.get(pipelined, 'pipeline')).toBe(true)
})
