import { expect, test } from '@playwright/test'
import { PendingWrites } from './pending-writes.ts'
import { PreparedStatements } from './prepared-statements.ts'
import { NO_EFFECT, mergeEffects } from '../results/write-effect.ts'

test('the least recently used statement goes first, by number and by bytes, and the newest never', () => {
  const byNumber = new PreparedStatements({ maxStatements: 2, maxBytes: 1e9 })
  byNumber.add('a', 'x')
  byNumber.add('b', 'x')
  expect(byNumber.get('a')).toBeDefined()
  byNumber.add('c', 'x')
  expect(byNumber.takeClosing()).toEqual(['b'])
  expect(byNumber.takeClosing()).toEqual([])
  expect([byNumber.get('a'), byNumber.get('b')].map((kept) => kept === undefined)).toEqual([false, true])
  const byBytes = new PreparedStatements({ maxStatements: 99, maxBytes: 1 })
  byBytes.add('a', 'x'.repeat(100))
  byBytes.add('b', 'x'.repeat(100))
  expect(byBytes.size).toBe(1)
  expect(byBytes.bytes).toBe(18_192)
  byBytes.closeAll()
  byBytes.close('never there')
  expect(byBytes.bytes).toBe(0)
  expect(byBytes.takeClosing()).toEqual(['a', 'b', 'never there'])
})

const effect = new Set(['a'])
const outcome = { kind: 'write', command: 'UPDATE', isInTransaction: false, isLost: false } as const

test('a write comes into force with the end of its transaction, and with a rollback not at all', () => {
  const pending = new PendingWrites()
  pending.add(effect)
  expect(pending.settle({ ...outcome, isInTransaction: true })).toBe(NO_EFFECT)
  pending.add(new Set(['b']))
  expect(pending.settle({ ...outcome, kind: 'transaction', command: 'COMMIT' })).toEqual(new Set(['a', 'b']))
  pending.add(effect)
  expect(pending.settle({ ...outcome, kind: 'transaction', command: 'ROLLBACK' })).toBe(NO_EFFECT)
  expect(pending.effect).toBe(NO_EFFECT)
  pending.add(effect)
  expect(pending.settle({ ...outcome, command: null })).toBe(NO_EFFECT)
})

test('what may have been committed counts as committed', () => {
  const pending = new PendingWrites()
  pending.add(effect)
  expect(pending.settle({ ...outcome, command: null, isLost: true })).toEqual(effect)
  pending.add('everything')
  expect(pending.settle({ ...outcome, kind: 'other', command: null })).toBe('everything')
  pending.add(effect)
  expect(pending.settle({ ...outcome, command: 'COMMIT', isInTransaction: true })).toEqual(effect)
  expect(mergeEffects(effect, 'everything')).toBe('everything')
})
