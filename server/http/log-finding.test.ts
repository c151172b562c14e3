import { expect, test } from '@playwright/test'
import type { DatabaseFinding } from '#optimizations/manager/database-findings.ts'
import { logFinding } from './log-finding.ts'
import { createLogger } from './logger.ts'

const PLAN = `{"Node Type":"Seq Scan","Filter":"(email = 'ada@school.example'::text) AND (name <> 'O''Hara')"}`

const FINDINGS: readonly (readonly [DatabaseFinding, Record<string, unknown>])[] = [
  [
    {
      kind: 'slow_query',
      found: { fingerprint: 'select $1', durationMs: 700, acquireMs: 1, requestId: 'r1', plan: PLAN },
    },
    {
      msg: 'slow query',
      level: 40,
      requestId: 'r1',
      plan: `{"Node Type":"Seq Scan","Filter":"(email = '?'::text) AND (name <> '?')"}`,
    },
  ],
  [
    {
      kind: 'slow_query',
      found: { fingerprint: 'vacuum', durationMs: 700, acquireMs: 1, requestId: undefined, plan: null },
    },
    { msg: 'slow query', plan: null },
  ],
  [
    { kind: 'repeated_query', found: { fingerprint: 'select $1', requestId: 'r2', callSite: 'lessons.ts:1' } },
    { msg: 'query repeated within a request', requestId: 'r2', callSite: 'lessons.ts:1' },
  ],
  [
    { kind: 'leak', found: { heldMs: 60_000, stack: 'at work', requestId: 'r3' } },
    { msg: 'connection held for long', heldMs: 60_000, requestId: 'r3' },
  ],
  [
    { kind: 'transaction_retry', found: { error: new Error('deadlock'), attempt: 2 } },
    { msg: 'transaction repeated', level: 30, attempt: 2, err: { message: 'deadlock' } },
  ],
]

for (const [finding, expected] of FINDINGS) {
  const what = finding.kind === 'slow_query' && finding.found.plan === null ? 'slow_query without a plan' : finding.kind
  test(`a ${what} is one line, with its request and without a value`, () => {
    const lines: string[] = []
    logFinding(createLogger('info', { write: (line) => void lines.push(line) }), finding)
    expect(lines).toHaveLength(1)
    expect(JSON.parse(lines[0] ?? '')).toMatchObject(expected)
    expect(lines[0]).not.toMatch(/ada@school|Hara/)
  })
}
