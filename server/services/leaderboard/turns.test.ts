import { expect, test } from '@playwright/test'
import type { Clock } from '#optimizations/kernel/clock.ts'
import { LocalTurns } from './turns.ts'

function turnsAt(start: number) {
  const time = { now: start }
  const clock = { now: () => time.now } as Clock
  return { time, turns: new LocalTurns(clock) }
}

test('the first turn is now, the next one an interval later, and who comes before it needs none', () => {
  const { time, turns } = turnsAt(5_000)
  expect(turns.take('a', 1_000)).toBe(0)
  time.now += 200
  expect(turns.take('a', 1_000)).toBe(800)
  expect(turns.take('a', 1_000)).toBeNull()
  time.now += 799
  expect(turns.take('a', 1_000)).toBeNull()
})

test('at the moment of a turn and behind it the next turn is an interval away', () => {
  const { time, turns } = turnsAt(5_000)
  turns.take('a', 1_000)
  time.now += 200
  turns.take('a', 1_000)
  time.now = 6_000
  expect(turns.take('a', 1_000)).toBe(1_000)
})

test('topics have turns of their own', () => {
  const { turns } = turnsAt(5_000)
  expect([turns.take('a', 1_000), turns.take('b', 1_000)]).toEqual([0, 0])
})

test('after a long silence the turn is now again', () => {
  const { time, turns } = turnsAt(5_000)
  turns.take('a', 1_000)
  time.now += 60_000
  expect(turns.take('a', 1_000)).toBe(0)
})
