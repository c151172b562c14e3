import { expect, test } from '@playwright/test'
import type { Answer } from '../pool/wire-query.ts'
import type { Executed } from '../pool/pooled-connection.ts'
import { RequestContext } from '../request-context.ts'
import { analyzeSql } from '../statements/sql-analysis.ts'
import { StatementCall } from '../statements/statement-call.ts'
import { AutoExplain, planInNotice } from './auto-explain.ts'
import { LogHistogram } from './log-histogram.ts'
import { scannedByColumns, type PlanNode } from './plan-nodes.ts'
import { QueryStatistics } from './query-statistics.ts'
import { RepeatedQueries, type RepeatedQuery } from './repeated-queries.ts'
import { SlowQueries, type SlowQuery } from './slow-queries.ts'

function executed(sql: string, executeMs: number, more: Partial<Executed> = {}): Executed {
  const described = { analysis: analyzeSql(sql), identity: null }
  const call = new StatementCall({ text: sql, name: null, parameters: null }, described, null)
  const answer: Answer = { command: 'SELECT', rowCount: 2, rows: [], fields: [] }
  return { call, executeMs, serviceMs: executeMs, answer, error: null, notices: [], ...more }
}

test('percentiles are at most nine percent above the truth, whatever the size', () => {
  for (const scale of [0.01, 1, 250, 60_000]) {
    const histogram = new LogHistogram()
    for (let n = 1; n <= 1_000; n += 1) histogram.record((n / 1_000) * scale)
    for (const percent of [50, 95, 99, 100]) {
      const truth = (percent / 100) * scale
      expect(histogram.percentileMs(percent)).toBeGreaterThanOrEqual(truth * 0.999)
      expect(histogram.percentileMs(percent)).toBeLessThanOrEqual(truth * 1.1 + 0.001)
    }
    expect(histogram.count).toBe(1_000)
  }
  expect(new LogHistogram().percentileMs(50)).toBe(0)
  const extremes = new LogHistogram()
  extremes.record(0)
  extremes.record(1e12)
  expect(extremes.totalMs).toBe(1e12)
  expect(extremes.percentileMs(100)).toBeGreaterThan(3_600_000)
})

test('a query counts once, a hit takes no time, and transaction control is no query', () => {
  const statistics = new QueryStatistics({ maxFingerprints: 2, slowAfterMs: 500 })
  statistics.executed(executed('select 1 from a', 600))
  statistics.executed(executed('select 2 from a', 200, { error: new Error('x'), answer: null }))
  statistics.executed(executed('commit', 999))
  statistics.executed(executed('set x = 1', 999))
  statistics.missed()
  statistics.hit('select ? from a')
  expect(statistics.totals(5)).toEqual({
    queryCount: 3,
    totalTimeMs: 800,
    avgQueryTimeMs: 400,
    slowQueries: 1,
    slowQueryRate: 0.5,
    cacheHits: 1,
    cacheMisses: 1,
    cacheHitRate: 0.5,
    preparedStatementUsage: 5,
  })
  expect(statistics.top(5)).toMatchObject([{ count: 2, rows: 2, errors: 1, cacheHits: 1, acquireMeanMs: 0 }])
  expect(statistics.recentMs('select ? from a')).toBe(520)
  expect(statistics.recentMs('unknown')).toBe(0)
  for (const table of ['b', 'c', 'd']) statistics.hit(`select from ${table}`)
  expect(statistics.size).toBe(2)
  expect(statistics.top(5).every(({ acquireMeanMs }) => acquireMeanMs === 0)).toBe(true)
  expect(new QueryStatistics({ maxFingerprints: 2, slowAfterMs: 1 }).totals(0).cacheHitRate).toBe(0)
})

test('a slow shape is reported once, with the plan that came along or the one that is asked for', async () => {
  const reports: SlowQuery[] = []
  const work: Promise<void>[] = []
  const slow = new SlowQueries(
    {
      explain: ({ call }) =>
        call.analysis.names.includes('b') ? Promise.reject(new Error('no')) : Promise.resolve('asked'),
      detach: (run) => void work.push(run()),
      report: (one) => void reports.push(one),
    },
    100,
  )
  const notices = [
    'something else',
    'duration: 120.5 ms  plan:\n{"Query Text": "secret", "Plan": {"Node Type": "Result"}}',
  ]
  slow.executed(executed('select 1 from quick', 50))
  slow.executed(executed('select 1 from told', 150, { notices }))
  slow.executed(executed('select 2 from told', 150, { notices }))
  slow.executed(executed('select 1 from a', 150))
  slow.executed(executed('select 1 from b', 150))
  slow.executed(executed('vacuum', 150))
  await Promise.all(work)
  const planOf = (name: string) =>
    reports.filter(({ fingerprint }) => fingerprint.endsWith(name)).map(({ plan }) => plan)
  expect(planOf('told')).toEqual(['{"Node Type":"Result"}'])
  expect([planOf('a'), planOf('b'), planOf('vacuum'), planOf('quick')]).toEqual([['asked'], [null], [null], []])
  expect(planInNotice('duration: 1.0 ms  plan:\nnot json')).toBeNull()
})

test('a role that may not load auto_explain is asked once, and a lost connection is no refusal', async () => {
  let asked = 0
  const connection = (isLost: boolean) =>
    ({
      isLost,
      ask: async () => {
        asked += 1
        throw new Error('permission denied')
      },
    }) as never
  const explainer = new AutoExplain(500)
  await expect(explainer.setUp(connection(true))).rejects.toThrow('denied')
  expect(asked).toBe(1)
  await explainer.setUp(connection(false))
  await explainer.setUp(connection(false))
  expect(asked).toBe(2)
})

test('repetition is counted for each request by itself, and only for reads', () => {
  const found: RepeatedQuery[] = []
  const repeated = new RepeatedQueries(3, (one) => void found.push(one))
  const read = analyzeSql('select 1 from a')
  const [one, other] = [new RequestContext({ requestId: 'one' }), new RequestContext({})]
  for (const context of [one, one, other, other, null]) repeated.count(context, read)
  for (let n = 0; n < 9; n += 1) repeated.count(one, analyzeSql('update a set x = 1'))
  expect(found).toEqual([])
  for (const context of [one, one, other]) repeated.count(context, read)
  expect(found).toMatchObject([{ requestId: 'one' }])
})

test('columns are read from the conditions of scans and of joins, and not where an OR would defeat an index', () => {
  const scan = (more: Partial<PlanNode>): PlanNode => ({
    'Node Type': 'Seq Scan',
    'Relation Name': 't',
    Alias: 't',
    'Total Cost': 1,
    ...more,
  })
  expect(scannedByColumns(scan({ Filter: "((a = $1) AND (b > 5) AND ((c)::text = 'x'::text))" }))).toEqual([
    { table: 't', columns: ['a', 'c', 'b'] },
  ])
  expect(scannedByColumns(scan({ Filter: '((a = $1) OR (b = $2))' }))).toEqual([])
  expect(scannedByColumns(scan({}))).toEqual([])
  expect(scannedByColumns(scan({ 'Node Type': 'Result', Filter: '(a = $1)' }))).toEqual([])
  const indexed = { 'Node Type': 'Bitmap Heap Scan', 'Recheck Cond': '(u.c = a)', Filter: '(b > 5)' }
  expect(scannedByColumns(scan(indexed))).toEqual([{ table: 't', columns: ['a', 'b'] }])
  const join: PlanNode = {
    'Node Type': 'Hash Join',
    'Hash Cond': '(t.u_id = u.id)',
    'Total Cost': 9,
    Plans: [scan({})],
  }
  expect(scannedByColumns(join)).toEqual([{ table: 't', columns: ['u_id'] }])
  const other: PlanNode = { ...join, 'Hash Cond': '(u.id = t.u_id)' }
  expect(scannedByColumns(other)).toEqual([{ table: 't', columns: ['u_id'] }])
  expect(scannedByColumns({ ...join, 'Hash Cond': '(v.id = u.id)' })).toEqual([])
})
