import { expect, test } from '@playwright/test'
import { DatabaseFindings, type DatabaseFinding } from './database-findings.ts'

test('what the database finds is counted by kind and handed on as it is; detached faults go to their own place', () => {
  const seen: DatabaseFinding[] = []
  const faults: string[] = []
  const { events, counts } = new DatabaseFindings({
    onFinding: (finding) => seen.push(finding),
    onError: (reason) => faults.push(reason),
  })
  const slow = { fingerprint: 'select $1', durationMs: 600, acquireMs: 1, requestId: 'r', plan: null }
  const error = new Error('deadlock')
  events.slowQuery?.(slow)
  events.repeatedQuery?.({ fingerprint: 'select $1', requestId: 'r', callSite: 'here' })
  events.leak?.({ heldMs: 60_000, stack: 'there', requestId: undefined })
  events.transactionRetry?.(error, 1)
  events.transactionRetry?.(error, 2)
  events.backgroundError?.('database.explain', error)
  expect(counts).toEqual({ slow_query: 1, repeated_query: 1, leak: 1, transaction_retry: 2 })
  expect(seen[0]).toEqual({ kind: 'slow_query', found: slow })
  expect(seen.at(-1)).toEqual({ kind: 'transaction_retry', found: { error, attempt: 2 } })
  expect(faults).toEqual(['database.explain'])
})

test('without anybody to tell, findings are counted all the same', () => {
  const { events, counts } = new DatabaseFindings({ onError: () => undefined })
  events.leak?.({ heldMs: 60_000, stack: 'there', requestId: undefined })
  expect(counts.leak).toBe(1)
})
