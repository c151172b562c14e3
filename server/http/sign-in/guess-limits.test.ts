import { expect, test } from '@playwright/test'
import { MemoryTokenStore } from '#fixtures/doubles/memory-token-store.ts'
import { createFallbackTokenStore } from '#server/http/rate-limit/fallback-token-store.ts'
import { createLocalTokenStore } from '#optimizations/express/rate-limit/local-token-store.ts'
import { OptionalStore } from '#server/http/rate-limit/optional-store.ts'
import { GuessLimits, type GuessBuckets } from './guess-limits.ts'

const BUCKETS: GuessBuckets = {
  perName: { tokensPerSec: 1 / 30, burst: 10 },
  perAddress: { tokensPerSec: 1, burst: 100 },
}

function rig(buckets = BUCKETS) {
  const time = { now: 0 }
  const clock = { monotonic: () => time.now }
  const shared = new MemoryTokenStore(clock.monotonic)
  const pairs = new Set<string>()
  const faults: unknown[] = []
  const create = () => {
    const optional = new OptionalStore({ clock, onError: (error) => faults.push(error) })
    const store = createFallbackTokenStore(optional, { shared, local: createLocalTokenStore(clock.monotonic) })
    const known = {
      has: async (id: string) => pairs.has(id),
      remember: async (id: string) => void pairs.add(id),
    }
    return new GuessLimits({ store, known, clock, secret: 'secret' }, buckets)
  }
  return { time, shared, pairs, faults, create, limits: create() }
}

/** How many of so many wrong guesses are allowed. */
async function guessWrong(limits: GuessLimits, count: number, who: (index: number) => readonly [string, string]) {
  let allowed = 0
  for (let index = 0; index < count; index += 1) {
    if ((await limits.take(...who(index))).isAllowed) allowed += 1
  }
  return allowed
}

async function signIn(limits: GuessLimits, name: string, address: string): Promise<void> {
  const guess = await limits.take(name, address)
  if (!guess.isAllowed) throw new Error('refused')
  await guess.succeeded()
}

test('a hundred wrong guesses for one name, each from another address: ten are allowed, then one in 30 s', async () => {
  const { limits, time } = rig()
  expect(await guessWrong(limits, 100, (index) => ['ada', `192.0.2.${index}`])).toBe(10)
  expect(await limits.take('ada', '192.0.2.200')).toEqual({ isAllowed: false, retryAfterMs: 30_000 })
  time.now += 30_000
  expect(await guessWrong(limits, 10, () => ['ada', '192.0.2.1'])).toBe(1)
})

test('two hundred wrong guesses from one address, each for another name: a hundred are allowed', async () => {
  const { limits } = rig()
  expect(await guessWrong(limits, 200, (index) => [`name${index}`, '192.0.2.1'])).toBe(100)
  expect(await guessWrong(limits, 1, () => ['ada', '192.0.2.2'])).toBe(1)
})

test('who is refused takes nothing: neither of a name by an address, nor of an address by a name', async () => {
  const { limits } = rig()
  await guessWrong(limits, 10, () => ['ada', '192.0.2.1'])
  // The address has 90 left, whatever is asked for the name that has none.
  await guessWrong(limits, 300, () => ['ada', '192.0.2.1'])
  expect(await guessWrong(limits, 200, (index) => [`name${index}`, '192.0.2.1'])).toBe(90)
  // And a name has all of its ten, whatever that address asks for it.
  await guessWrong(limits, 50, () => ['grace', '192.0.2.1'])
  expect(await guessWrong(limits, 50, () => ['grace', '192.0.2.2'])).toBe(10)
})

test('what succeeds or was not made is given back', async () => {
  const { limits } = rig()
  for (let count = 0; count < 200; count += 1) await signIn(limits, 'ada', '192.0.2.1')
  for (let count = 0; count < 200; count += 1) {
    const guess = await limits.take('grace', '192.0.2.1')
    if (guess.isAllowed) await guess.notMade()
  }
  expect(await guessWrong(limits, 20, () => ['grace', '192.0.2.2'])).toBe(10)
})

test('strangers do not lock out who has signed in from there before, not even from the same address', async () => {
  const { limits } = rig()
  await signIn(limits, 'ada', '192.0.2.1')
  await guessWrong(limits, 20, () => ['ada', '192.0.2.66'])
  await guessWrong(limits, 200, (index) => [`name${index}`, '192.0.2.1'])
  expect(await limits.take('ada', '192.0.2.66')).toMatchObject({ isAllowed: false })
  expect(await limits.take('ada', '192.0.2.1')).toMatchObject({ isAllowed: true, isKnown: true })
  // That bucket is limited too.
  expect(await guessWrong(limits, 20, () => ['ada', '192.0.2.1'])).toBe(9)
})

test('two processes share what they allow', async () => {
  const { create } = rig()
  const [one, other] = [create(), create()]
  const allowed = await guessWrong(one, 6, () => ['ada', '192.0.2.1'])
  expect(allowed + (await guessWrong(other, 6, () => ['ada', '192.0.2.1']))).toBe(10)
})

test('without the shared store the process counts by itself, says so, and asks the store once a second', async () => {
  const { limits, shared, faults } = rig()
  shared.isAway = true
  expect(await guessWrong(limits, 100, () => ['ada', '192.0.2.1'])).toBe(10)
  const [perName] = limits.limiters
  expect(perName?.statistics()).toMatchObject({ allowed: 10, refused: 90, decidedAlone: 11 })
  expect(faults).toHaveLength(1)
  expect(shared.asked).toBeLessThanOrEqual(2)
})

test('an outage of the shared store is no second burst', async () => {
  const { limits, shared, time } = rig()
  expect(await guessWrong(limits, 6, () => ['ada', '192.0.2.1'])).toBe(6)
  expect(await guessWrong(limits, 20, () => ['grace', '192.0.2.1'])).toBe(10)
  shared.isAway = true
  time.now += 1_001
  expect(await guessWrong(limits, 20, () => ['ada', '192.0.2.1'])).toBe(4)
  expect(await guessWrong(limits, 20, () => ['grace', '192.0.2.1'])).toBe(0)
})

test('no name and no address with a name stands in the clear in a key', async () => {
  const { limits, shared, pairs } = rig()
  const keys: string[] = []
  const take = shared.take.bind(shared)
  shared.take = (key, ...rest) => {
    keys.push(key)
    return take(key, ...rest)
  }
  await signIn(limits, 'ada', '192.0.2.1')
  expect(keys).toHaveLength(2)
  for (const key of [...keys, ...pairs]) expect(key).not.toContain('ada')
})

test('a limit that is not set allows everything and is not listed', async () => {
  const { limits } = rig({})
  expect(await guessWrong(limits, 200, () => ['ada', '192.0.2.1'])).toBe(200)
  expect(limits.limiters).toEqual([])
})

test('who is known takes turns by themselves, and everybody else with their address', async () => {
  const { limits } = rig()
  await signIn(limits, 'ada', '192.0.2.1')
  await signIn(limits, 'grace', '192.0.2.1')
  const groupOf = async (name: string, address: string) => {
    const guess = await limits.take(name, address)
    return guess.isAllowed ? guess.group : undefined
  }
  const groups = [await groupOf('ada', '192.0.2.1'), await groupOf('grace', '192.0.2.1'), '192.0.2.1']
  expect(new Set(groups).size).toBe(3)
  expect(await groupOf('ada', '192.0.2.2')).toBe('192.0.2.2')
  expect(await groupOf('alan', '192.0.2.1')).toBe('192.0.2.1')
})
