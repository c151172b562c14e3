import { expect, test } from '@playwright/test'
import { CircuitBreaker } from './circuit-breaker.ts'

test('it opens at as many failures in a row as it was told, and a success between starts the count anew', () => {
  const breaker = new CircuitBreaker(3)
  breaker.failed()
  breaker.failed()
  breaker.succeeded()
  breaker.failed()
  breaker.failed()
  expect(breaker.isClosed).toBe(true)
  breaker.failed()
  expect(breaker.state).toBe('open')
})

test('successes do not close it: late answers of a dying store are no recovery', () => {
  const breaker = new CircuitBreaker(1)
  breaker.failed()
  breaker.succeeded()
  expect(breaker.isClosed).toBe(false)
})

test('while it is probed nobody else passes, and a probe that succeeds closes it', async () => {
  const breaker = new CircuitBreaker(1)
  breaker.trip()
  const work = Promise.withResolvers<void>()
  const probe = breaker.probe(() => work.promise)
  expect(breaker.state).toBe('probing')
  expect(breaker.isClosed).toBe(false)
  work.resolve()
  await probe
  expect(breaker.isClosed).toBe(true)
})

test('a probe that fails leaves it open, and says why', async () => {
  const breaker = new CircuitBreaker(1)
  breaker.trip()
  await expect(breaker.probe(() => Promise.reject(new Error('still down')))).rejects.toThrow('still down')
  expect(breaker.state).toBe('open')
})

test('what trips it during a probe outlives the success of the probe', async () => {
  const breaker = new CircuitBreaker(1)
  breaker.trip()
  await breaker.probe(async () => breaker.trip())
  expect(breaker.state).toBe('open')
})
