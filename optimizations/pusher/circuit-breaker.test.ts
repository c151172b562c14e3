import { expect, test } from '@playwright/test'

import { ManualClock } from '#fixtures/doubles/manual-clock.ts'
import { CircuitBreaker } from './circuit-breaker.ts'

function createBreaker(random = (): number => 1) {
  const clock = new ManualClock()
  const breaker = new CircuitBreaker({ clock, random }, { failureThreshold: 3, minOpenMs: 100, maxOpenMs: 400 })
  const failTimes = (times: number): void => {
    for (let n = 0; n < times; n += 1) breaker.fail()
  }
  return { clock, breaker, failTimes }
}

test('stays closed while successes come between the failures', () => {
  const { breaker, failTimes } = createBreaker()
  failTimes(2)
  breaker.succeed()
  failTimes(2)
  expect([breaker.state, breaker.waitMs()]).toEqual(['closed', 0])
})

test('opens at the threshold, and lets one probe through after the pause', async () => {
  const { clock, breaker, failTimes } = createBreaker()
  failTimes(3)
  expect([breaker.state, breaker.waitMs()]).toEqual(['open', 100])
  await clock.advance(100)
  expect([breaker.state, breaker.waitMs()]).toEqual(['half_open', 0])
  breaker.pass()
  expect([breaker.state, breaker.waitMs()]).toEqual(['half_open', Infinity])
  breaker.succeed()
  expect([breaker.state, breaker.waitMs()]).toEqual(['closed', 0])
})

test('doubles the pause with every failed probe, up to its maximum', async () => {
  const { clock, breaker, failTimes } = createBreaker()
  failTimes(3)
  const pauses = [breaker.waitMs()]
  for (let probe = 0; probe < 4; probe += 1) {
    await clock.advance(breaker.waitMs())
    breaker.pass()
    breaker.fail()
    pauses.push(breaker.waitMs())
  }
  expect(pauses).toEqual([100, 200, 400, 400, 400])
})

test('begins again with the short pause after it was closed', async () => {
  const { clock, breaker, failTimes } = createBreaker()
  failTimes(3)
  await clock.advance(100)
  breaker.pass()
  breaker.fail()
  await clock.advance(200)
  breaker.pass()
  breaker.succeed()
  failTimes(3)
  expect(breaker.waitMs()).toBe(100)
})

test('is not kept open by requests that were under way when it opened', () => {
  const { breaker, failTimes } = createBreaker()
  failTimes(3)
  const before = breaker.waitMs()
  failTimes(5)
  expect(breaker.waitMs()).toBe(before)
})

test('pauses for at least half of the time, by chance', () => {
  const { breaker, failTimes } = createBreaker(() => 0)
  failTimes(3)
  expect(breaker.waitMs()).toBe(50)
})
