import { EventEmitter } from 'node:events'
import { expect, test } from '@playwright/test'
import { PreparedStatements } from './prepared-statements.ts'
import { DescribeQuery, WireQuery, type WireStatement } from './wire-query.ts'

/** Writes down what is sent. */
class RecordingConnection extends EventEmitter {
  readonly sent: string[] = []
  readonly stream = { cork: () => undefined, uncork: () => undefined }
  readonly parsedStatements: Record<string, string> = {}
  parse = ({ name }: { name: string }): unknown => this.sent.push(`parse ${name}`)
  bind = ({ statement }: { statement: string }): unknown => this.sent.push(`bind ${statement}`)
  describe = ({ type, name }: { type: string; name: string }): unknown => this.sent.push(`describe ${type}${name}`)
  execute = (): unknown => this.sent.push('execute')
  close = ({ name }: { name: string }): unknown => this.sent.push(`close ${name}`)
  sync = (): unknown => this.sent.push('sync')
  query = (text: string): unknown => this.sent.push(`query ${text}`)
  sendCopyFail = (): unknown => this.sent.push('copy fail')
}

const fields = [{ name: 'n', tableID: 0, columnID: 0, dataTypeID: 23 }]
const deps = (limits = { maxStatements: 9, maxBytes: 1e9 }) => ({
  prepared: new PreparedStatements(limits),
  isPipelined: false,
  parserOf: () => (text: string) => {
    if (text === 'broken') throw new Error('unparseable')
    return Number(text)
  },
})
const named = (name: string): WireStatement => ({
  text: `text of ${name}`,
  name,
  parameters: { values: ['1'], oids: [23] },
})

function send(query: WireQuery | DescribeQuery, connection = new RecordingConnection()): RecordingConnection {
  query.submit(connection)
  return connection
}

test('a statement is parsed and described once and then only bound', async () => {
  const own = deps()
  const first = new WireQuery(own, named('s'))
  expect(first.wasSent).toBe(false)
  expect(send(first).sent).toEqual(['parse s', 'bind s', 'describe P', 'execute', 'sync'])
  expect(first.wasSent).toBe(true)
  first.handleRowDescription({ fields })
  first.handleDataRow({ fields: ['7'] })
  first.handleDataRow({ fields: [null] })
  first.handleCommandComplete({ text: 'SELECT 2' })
  first.handleReadyForQuery()
  expect(await first.answer).toEqual({ command: 'SELECT', rowCount: 2, rows: [{ n: 7 }, { n: null }], fields })
  const second = new WireQuery(own, named('s'))
  expect(send(second).sent).toEqual(['bind s', 'execute', 'sync'])
  second.handleDataRow({ fields: ['8'] })
  second.handleCommandComplete({ text: 'SELECT 1' })
  second.handleReadyForQuery()
  expect((await second.answer).rows).toEqual([{ n: 8 }])
})

test('a time limit goes in front, in the same implicit transaction, and its result is nobody’s', async () => {
  const query = new WireQuery(deps(), { text: 'select 1', name: null, parameters: null }, 250)
  const { sent } = send(query)
  expect(sent).toEqual(['parse ', 'bind ', 'execute', 'parse ', 'bind ', 'describe P', 'execute', 'sync'])
  query.handleDataRow({ fields: ['250'] })
  query.handleCommandComplete({ text: 'SELECT 1' })
  query.handleRowDescription({ fields })
  query.handleDataRow({ fields: ['1'] })
  query.handleCommandComplete({ text: 'SELECT 1' })
  query.handleReadyForQuery()
  expect((await query.answer).rows).toEqual([{ n: 1 }])
})

test('evicted statements are closed on the way, before their place is taken', () => {
  const own = deps({ maxStatements: 1, maxBytes: 1e9 })
  const connection = send(new WireQuery(own, named('a')))
  connection.parsedStatements['a'] = 'text of a'
  connection.sent.length = 0
  send(new WireQuery(own, named('b')), connection)
  expect(connection.sent.slice(0, 2)).toEqual(['close a', 'parse b'])
  expect(connection.parsedStatements).toEqual({})
})

test('a statement that fails at its first use is not taken for prepared', async () => {
  const own = deps()
  const query = new WireQuery(own, named('s'))
  const connection = send(query)
  const error = Object.assign(new Error('syntax'), { severity: 'ERROR' })
  query.handleError(error, connection)
  let settled = false
  const outcome = query.answer.catch((reason: unknown) => {
    settled = true
    return reason
  })
  await Promise.resolve()
  expect(settled).toBe(false)
  connection.emit('readyForQuery')
  expect(await outcome).toBe(error)
  expect(connection.listenerCount('end')).toBe(0)
  expect(own.prepared.size).toBe(0)
  expect(own.prepared.takeClosing()).toEqual(['s'])
})

test('a broken socket and a value that cannot be read reject without leaving anything open', async () => {
  const lost = new WireQuery(deps(), named('s'))
  lost.handleError(new Error('Connection terminated'), send(lost))
  await expect(lost.answer).rejects.toThrow('terminated')
  const unreadable = new WireQuery(deps(), { text: 'select', name: null, parameters: null })
  send(unreadable)
  unreadable.handleRowDescription({ fields })
  unreadable.handleDataRow({ fields: ['broken'] })
  unreadable.handleDataRow({ fields: ['1'] })
  unreadable.handleCommandComplete({ text: 'SELECT 2' })
  unreadable.handleReadyForQuery()
  await expect(unreadable.answer).rejects.toThrow('unparseable')
})

test('statements without rows, empty ones and COPY are answered too', async () => {
  const answerOf = async (drive: (query: WireQuery, connection: RecordingConnection) => void) => {
    const query = new WireQuery(deps(), { text: 'x', name: null, parameters: null })
    drive(query, send(query))
    query.handleReadyForQuery()
    return await query.answer
  }
  const insert = await answerOf((query) => query.handleCommandComplete({ text: 'INSERT 0 5' }))
  expect(insert).toEqual({ command: 'INSERT', rowCount: 5, rows: [], fields: [] })
  expect((await answerOf((query) => query.handleCommandComplete({ text: 'BEGIN' }))).rowCount).toBeNull()
  expect((await answerOf((query) => query.handleEmptyQuery())).command).toBe('')
  await answerOf((query, connection) => {
    query.handleCopyInResponse(connection)
    query.handleCopyData()
    query.handlePortalSuspended()
    expect(connection.sent).toContain('copy fail')
  })
})

test('a description answers columns, and a refusal rejects', async () => {
  const described = new DescribeQuery('select 1', [23], 's')
  expect(send(described).sent).toEqual(['parse s', 'describe Ss', 'sync'])
  described.handleRowDescription({ fields })
  described.handleReadyForQuery()
  expect(await described.answer).toEqual(fields)
  const refused = new DescribeQuery('select', [])
  refused.handleError(new Error('no'))
  await expect(refused.answer).rejects.toThrow('no')
})
