import { expect, test } from '@playwright/test'
import { ManualClock } from '#fixtures/doubles/manual-clock.ts'
import { HeldRefusals } from './held-refusals.ts'

function watch(promise: Promise<unknown>) {
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

test('what is over the number that may wait is answered at once and told so, until one is over', async () => {
  const refusals = new HeldRefusals(new ManualClock(), 1)
  const leaving = new AbortController()
  const first = refusals.hold(leaving.signal)
  expect(await refusals.hold(new AbortController().signal)).toBe(false)
  leaving.abort()
  expect(await first).toBe(true)
  const seen = watch(refusals.hold(new AbortController().signal))
  await settle()
  expect(seen.isAnswered).toBe(false)
})

test('a process that stops answers all that are held, and holds no more', async () => {
  const refusals = new HeldRefusals(new ManualClock())
  const held = refusals.hold(new AbortController().signal)
  refusals.release()
  expect(await held).toBe(true)
  expect(await refusals.hold(new AbortController().signal)).toBe(true)
})
