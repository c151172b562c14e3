import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from '@playwright/test'
import { ManualClock } from '#fixtures/doubles/manual-clock.ts'
import { TickClock } from './tick-clock.ts'

class CountingClock extends ManualClock {
  readings = 0

  override monotonic(): number {
    this.readings += 1
    return super.monotonic()
  }
}

test('the time is read once in a turn of the event loop, and anew in the next', async () => {
  const clock = new CountingClock()
  const ticks = new TickClock(clock)
  for (let read = 0; read < 100; read += 1) ticks.now()
  expect(clock.readings).toBe(1)
  await nextTurn()
  await clock.advance(5)
  expect(ticks.now()).toBe(5)
})

test('what waits for promises only is still the same turn', async () => {
  const clock = new CountingClock()
  const ticks = new TickClock(clock)
  // Out of the turn that the test runner began.
  await nextTurn()
  await Promise.resolve()
  const before = clock.readings
  for (let read = 0; read < 100; read += 1) {
    ticks.now()
    await Promise.resolve()
  }
  expect(clock.readings - before).toBe(1)
})

test('a turn that does not end sees time pass nevertheless', async () => {
  const clock = new CountingClock()
  const ticks = new TickClock(clock)
  await nextTurn()
  for (let read = 0; read < 2_560; read += 1) {
    ticks.now()
    await Promise.resolve()
  }
  expect(clock.readings).toBeGreaterThanOrEqual(10)
  expect(clock.readings).toBeLessThan(15)
})
