import { expect, test } from '@playwright/test'
import { systemClock } from '#optimizations/kernel/clock.ts'
import { DatabaseError } from './errors.ts'
import type { ConnectionPool } from './pool/connection-pool.ts'
import type { Answer } from './pool/wire-query.ts'
import { QueryRunner, type QueryRunnerDeps } from './query-runner.ts'
import { RequestContext } from './request-context.ts'
import { analyzeSql } from './statements/sql-analysis.ts'
import { StatementCall } from './statements/statement-call.ts'

/** What becomes of a statement on one connection: a name is the answer of a server, `dead` a socket that sent nothing. */
type Fate = string | Error

const loss = Object.assign(new Error('terminated'), { code: '57P01' })
const failure = (code: string): Error => Object.assign(new Error(code), { code })

/** Lends a connection for each fate, in turn, or refuses with the error of `refusal`. */
function poolOf(fates: Fate[], refusal: Error | null = null) {
  const state = { lent: 0, returned: 0 }
  const pool = {
    max: 5,
    acquire: async () => {
      if (refusal !== null) throw refusal
      state.lent += 1
      const fate = fates.shift() ?? 'nobody expected'
      const run = async (call: StatementCall): Promise<Answer> => {
        call.wasSent = fate !== 'dead'
        if (fate instanceof Error) throw fate
        if (fate === 'dead') throw new Error('Client has encountered a connection error and is not queryable')
        return { command: fate, rowCount: 0, rows: [], fields: [] }
      }
      return { isLost: fate === 'dead', run, prepared: { close: () => undefined } }
    },
    release: () => (state.returned += 1),
    forgetPrepared: () => undefined,
  }
  return { state, pool: pool as unknown as ConnectionPool }
}

function runner(pool: ConnectionPool, more: Partial<QueryRunnerDeps> = {}) {
  const runs = new QueryRunner({
    clock: systemClock,
    pool,
    lanes: { take: () => null } as never,
    replicaFor: () => null,
    recentMs: () => 0,
    isRepeatable: ({ analysis }) => analysis.kind === 'read',
    ...more,
  })
  return async (sql: string, context: RequestContext | null = null): Promise<string> => {
    const described = { analysis: analyzeSql(sql), identity: null }
    return (await runs.run(new StatementCall({ text: sql, name: null, parameters: null }, described, context))).command
  }
}

test('connections that are found dead before anything is sent are passed over, for writes as well', async () => {
  const { state, pool } = poolOf(['dead', 'dead', 'dead', 'dead', 'dead', 'fresh'])
  expect(await runner(pool)('update a set x = 1')).toBe('fresh')
  expect(state).toEqual({ lent: 6, returned: 6 })
  await expect(runner(poolOf(Array.from({ length: 30 }, () => 'dead')).pool)('select 1')).rejects.toThrow('queryable')
})

test('a read whose connection is lost is asked twice more, a write not at all, and nothing for who has left', async () => {
  expect(await runner(poolOf([loss, loss, 'third']).pool)('select 1')).toBe('third')
  await expect(runner(poolOf([loss, loss, loss, 'fourth']).pool)('select 1')).rejects.toBe(loss)
  await expect(runner(poolOf([loss, 'second']).pool)('update a set x = 1')).rejects.toBe(loss)
  const gone = new RequestContext({ signal: AbortSignal.abort() })
  await expect(runner(poolOf([loss, 'second']).pool)('select 1', gone)).rejects.toBe(loss)
})

test('whatever keeps a replica from answering, the primary is asked next', async () => {
  const open = new DatabaseError('database_breaker_open', 'away')
  const dead = Array.from({ length: 30 }, (): Fate => 'dead')
  for (const replica of [poolOf([], open), poolOf([failure('40001')]), poolOf([loss]), poolOf(dead)]) {
    const ask = runner(poolOf(['primary']).pool, { replicaFor: () => replica.pool })
    expect(await ask('select 1')).toBe('primary')
  }
  const wrong = runner(poolOf(['primary']).pool, { replicaFor: () => poolOf([failure('42703')]).pool })
  await expect(wrong('select nothing')).rejects.toThrow('42703')
  await expect(runner(poolOf([failure('40001')]).pool)('select 1')).rejects.toThrow('40001')
})
