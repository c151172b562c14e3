import { expect, test } from '@playwright/test'
import { seededRandom } from '#optimizations/kernel/random.ts'
import { ManualClock } from '#fixtures/doubles/manual-clock.ts'
import { DatabaseError, isConnectionLoss, sqlStateOf } from '../errors.ts'
import { createConnectBreaker } from './connect-breaker.ts'
import { retryTransaction } from './transaction-retry.ts'

const failure = (code: string): Error => Object.assign(new Error(code), { code })

function retrying(errors: readonly Error[], options: Parameters<typeof retryTransaction>[1] = {}) {
  const clock = new ManualClock()
  const left = [...errors]
  const retries: number[] = []
  const delays: number[] = []
  const deps = {
    clock: Object.assign(clock, { sleep: async (ms: number) => void delays.push(ms) }),
    random: seededRandom(1),
    onRetry: (_: unknown, attempt: number) => void retries.push(attempt),
    isSurelyRolledBack: (error: unknown) => error instanceof Error && error.message === 'rolled back',
  }
  const answer = retryTransaction(deps, options, async () => {
    const error = left.shift()
    if (error !== undefined) throw error
    return 'committed'
  })
  return { answer, retries, delays }
}

test('a serialization failure, a deadlock and a sure rollback are tried again, later and later, with jitter', async () => {
  const { answer, retries, delays } = retrying([failure('40001'), failure('40P01'), new Error('rolled back')])
  expect(await answer).toBe('committed')
  expect(retries).toEqual([1, 2, 3])
  for (const [n, delay] of delays.entries()) expect(delay).toBeLessThan(5 * 2 ** n)
  expect(new Set(delays).size).toBe(3)
})

test('any other error, an exhausted budget and a departed caller end the tries', async () => {
  await expect(retrying([failure('23505')]).answer).rejects.toThrow('23505')
  const spent = retrying([failure('40001'), failure('40001')], { retries: 1 })
  await expect(spent.answer).rejects.toThrow('40001')
  expect(spent.retries).toEqual([1])
  await expect(retrying([failure('40001')], { signal: AbortSignal.abort() }).answer).rejects.toThrow('40001')
  expect(await retryTransaction({ clock: new ManualClock(), random: () => 0 }, {}, async () => 1)).toBe(1)
})

test('a state is found through whatever wraps it, and node’s codes are none', () => {
  expect(sqlStateOf(new Error('outer', { cause: failure('40001') }))).toBe('40001')
  expect(sqlStateOf(Object.assign(new Error('driver'), { previous: failure('0A000') }))).toBe('0A000')
  expect(sqlStateOf(failure('EPIPE'))).toBeUndefined()
  expect(sqlStateOf('40001')).toBeUndefined()
  for (const lost of [failure('ECONNRESET'), failure('57P01'), new Error('x', { cause: failure('EPIPE') })]) {
    expect(isConnectionLoss(lost)).toBe(true)
  }
  expect(isConnectionLoss(new Error('Connection terminated unexpectedly'))).toBe(true)
  for (const other of [failure('08P01'), failure('57014'), failure('23505'), null]) {
    expect(isConnectionLoss(other)).toBe(false)
  }
})

test('the breaker opens after failures to connect and not after refusals, and a good try closes it', async () => {
  const breaker = createConnectBreaker({ failures: 2, coolDownMs: 20 })
  const open = (error: Error | null) =>
    breaker.guard(async () => {
      if (error !== null) throw error
    })
  for (let n = 0; n < 3; n += 1) await expect(open(failure('28P01'))).rejects.toThrow('28P01')
  expect(breaker.isOpen).toBe(false)
  await expect(open(failure('ECONNREFUSED'))).rejects.toThrow('ECONNREFUSED')
  await expect(open(new DatabaseError('pool_connect_timeout', 'late'))).rejects.toThrow('late')
  expect(breaker.isOpen).toBe(true)
  await expect(open(null)).rejects.toMatchObject({ code: 'database_breaker_open', retryable: true })
  await expect.poll(() => open(null).catch(() => 'refused'), { intervals: [5] }).toBeUndefined()
  expect(breaker.isOpen).toBe(false)
})
