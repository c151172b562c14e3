import { expect, test } from '@playwright/test'
import { ManualClock } from '#fixtures/doubles/manual-clock.ts'
import { WorkerPasswordHasher } from './password-hasher.ts'
import { hashPassword } from './password.ts'

const caller = (group: string, isPreferred = false) => ({ group, isPreferred })
/** Argon2 refuses to do without memory: whoever is asked to verify this one fails. */
const DEADLY = '$argon2id$v=19$m=0,t=1,p=1$aG90cGF0aGhvdHBhdGhobw$bKdNiSXDIQLU/AFH51Xsfw'

test('a password is hashed and verified in a thread of its own', async () => {
  await using hasher = new WorkerPasswordHasher({ workers: 1 })
  const hash = await hasher.hash('correct horse', caller('a'))
  expect(await hasher.verify('correct horse', hash, caller('a'))).toBe(true)
  expect(await hasher.verify('correct horsf', hash, caller('a'))).toBe(false)
})

test('what is over the length of the queue is refused as busy, and the rest is served', async () => {
  await using hasher = new WorkerPasswordHasher({ workers: 1, maxWaiting: 3, maxWaitMs: 60_000 })
  const hash = hashPassword('x')
  const outcomes = await Promise.allSettled(Array.from({ length: 6 }, () => hasher.verify('y', hash, caller('a'))))
  // One runs and three wait.
  const refused = { status: 'rejected', reason: { code: 'sign_in_busy' } }
  expect(outcomes.slice(0, 4).every(({ status }) => status === 'fulfilled')).toBe(true)
  expect(outcomes.slice(4)).toMatchObject([refused, refused])
})

test('what would wait for too long by the running mean is refused as busy', async () => {
  // Nothing has been measured yet: 50 ms are expected, and 25 ms are left of the one that runs.
  // On a clock that stands still: what is expected is asked here, and not how busy the machine is.
  await using hasher = new WorkerPasswordHasher({ workers: 1, maxWaitMs: 150, clock: new ManualClock() })
  const hash = hashPassword('x')
  const outcomes = await Promise.allSettled(Array.from({ length: 6 }, () => hasher.verify('y', hash, caller('a'))))
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(4)
  expect(outcomes.at(-1)).toMatchObject({ reason: { code: 'sign_in_busy' } })
})

test('a full queue of one address gives way to another address, and to who is known', async () => {
  await using hasher = new WorkerPasswordHasher({ workers: 1, maxWaiting: 4, maxWaitMs: 60_000 })
  const hash = hashPassword('x')
  const served: string[] = []
  const ask = async (name: string, isPreferred = false) => {
    await hasher.verify('y', hash, caller(name, isPreferred))
    served.push(name)
  }
  const outcomes = await Promise.allSettled([
    ...Array.from({ length: 5 }, () => ask('flood')),
    ask('stranger'),
    ask('known', true),
  ])
  expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(2)
  expect(served).toEqual(['flood', 'known', 'stranger', 'flood', 'flood'])
})

test('who goes away leaves the queue', async () => {
  await using hasher = new WorkerPasswordHasher({ workers: 1, maxWaiting: 1 })
  const hash = hashPassword('x')
  const leaving = new AbortController()
  const running = hasher.verify('x', hash, caller('a'))
  const left = hasher.verify('x', hash, { ...caller('a'), signal: leaving.signal })
  leaving.abort(new Error('gone'))
  await expect(left).rejects.toThrow('gone')
  // There is room again.
  const next = hasher.verify('x', hash, caller('a'))
  expect([await running, await next]).toEqual([true, true])
})

test('a thread that dies fails its own job, and is replaced for the next', async () => {
  await using hasher = new WorkerPasswordHasher({ workers: 1 })
  const hash = hashPassword('x')
  const outcomes = await Promise.allSettled([
    hasher.verify('x', DEADLY, caller('a')),
    hasher.verify('x', hash, caller('a')),
  ])
  expect(outcomes).toMatchObject([
    { status: 'rejected', reason: { code: 'sign_in_failed' } },
    { status: 'fulfilled', value: true },
  ])
})

test('after the end everything that waits or comes is refused, and no thread is left', async () => {
  const hasher = new WorkerPasswordHasher({ workers: 1 })
  const hash = hashPassword('x')
  const jobs = Array.from({ length: 3 }, () => hasher.verify('x', hash, caller('a')))
  const outcomes = Promise.allSettled(jobs)
  await hasher[Symbol.asyncDispose]()
  expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
  await expect(hasher.hash('x', caller('a'))).rejects.toMatchObject({ code: 'sign_in_busy' })
})

test('one who is known keeps nobody else from being served, however often they ask', async () => {
  await using hasher = new WorkerPasswordHasher({ workers: 1, maxWaiting: 6, maxWaitMs: 60_000 })
  const hash = hashPassword('x')
  const running = hasher.verify('x', hash, caller('known', true))
  const waiting = hasher.verify('y', hash, caller('stranger'))
  const flood = Array.from({ length: 20 }, () => hasher.verify('x', hash, caller('known', true)))
  const late = hasher.verify('y', hash, caller('another'))
  const outcomes = await Promise.allSettled([running, waiting, late, ...flood])
  expect(outcomes.slice(0, 3)).toMatchObject([{ value: true }, { value: false }, { value: false }])
})

test('nobody waits for longer than the limit, also when hashes take longer than they did', async () => {
  await using hasher = new WorkerPasswordHasher({ workers: 1, maxWaitMs: 150 })
  const slow = `$argon2id$v=19$m=19456,t=80,p=1${hashPassword('x').slice(-67)}`
  const running = hasher.verify('y', slow, caller('a')).then(() => 'hashed')
  const waiting = hasher.verify('y', slow, caller('b')).catch((error: unknown) => error)
  expect(await Promise.race([running, waiting])).toMatchObject({ code: 'sign_in_busy' })
  await running
})

test('with more addresses than places, who has failed least goes first', async () => {
  await using hasher = new WorkerPasswordHasher({ workers: 1, maxWaiting: 4, maxWaitMs: 60_000 })
  const hash = hashPassword('x')
  const addresses = Array.from({ length: 5 }, (_, n) => `flood ${n}`)
  for (const address of addresses) await hasher.verify('y', hash, caller(address))
  const flood = addresses.map((address) => hasher.verify('y', hash, caller(address)))
  const newcomer = hasher.verify('x', hash, caller('newcomer'))
  const [outcome] = await Promise.allSettled([newcomer, ...flood])
  expect(outcome).toMatchObject({ status: 'fulfilled', value: true })
})
