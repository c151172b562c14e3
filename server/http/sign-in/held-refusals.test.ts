import { expect, test } from '@playwright/test'
import { ManualClock } from '#fixtures/doubles/manual-clock.ts'
import { HeldRefusals } from './held-refusals.ts'

function watch(promise: Promise<void>) {
  const seen = { isAnswered: false }
  void promise.then(() => (seen.isAnswered = true))
  return seen
}

const settle = () => new Promise<void>((resolve) => setImmediate(resolve))

test('a refusal is answered after a second', async () => {
  const clock = new ManualClock()
  const seen = watch(new HeldRefusals(clock).hold(new AbortController().signal))
  await clock.advance(999)
  await settle()
  expect(seen.isAnswered).toBe(false)
  await clock.advance(1)
  await settle()
  expect(seen.isAnswered).toBe(true)
})

test('it is over at once when the client goes', async () => {
  const leaving = new AbortController()
  const held = new HeldRefusals(new ManualClock()).hold(leaving.signal)
  leaving.abort()
  await held
})

test('what is over the number that may wait is answered at once, until one is over', async () => {
  const refusals = new HeldRefusals(new ManualClock(), 1)
  const leaving = new AbortController()
  const first = refusals.hold(leaving.signal)
  await refusals.hold(new AbortController().signal)
  leaving.abort()
  await first
  const seen = watch(refusals.hold(new AbortController().signal))
  await settle()
  expect(seen.isAnswered).toBe(false)
})
