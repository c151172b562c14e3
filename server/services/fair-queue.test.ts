import { expect, test } from '@playwright/test'
import { ManualClock } from '#fixtures/doubles/manual-clock.ts'
import { FairQueue, type Queued } from './fair-queue.ts'

interface Job extends Queued {
  readonly id: string
}

const job = (id: string, isPreferred = false): Job => ({ id, group: id.slice(0, 1), isPreferred })

function queueOf(...jobs: readonly Job[]): FairQueue<Job> {
  const queue = new FairQueue<Job>({ clock: new ManualClock(), maxWaiting: 100 })
  for (const one of jobs) queue.push(one)
  return queue
}

function drain(queue: FairQueue<Job>): string[] {
  const ids: string[] = []
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) ids.push(next.id)
  return ids
}

test('groups take turns, each in its own order', () => {
  expect(drain(queueOf(job('a1'), job('a2'), job('a3'), job('b1'), job('b2'), job('c1')))).toEqual(
    'a1 b1 c1 a2 b2 a3'.split(' '),
  )
})

test('preferred jobs go first, and after three of them one of the others has its turn', () => {
  const preferred = ['p1', 'q1', 'r1', 's1', 't1'].map((id) => job(id, true))
  expect(drain(queueOf(job('a1'), job('a2'), ...preferred))).toEqual(['p1', 'q1', 'r1', 'a1', 's1', 't1', 'a2'])
})

test('how many are ahead is what the turns say', () => {
  const queue = queueOf(job('a1'), job('a2'), job('a3'), job('b1'), job('p1', true))
  expect(queue.aheadOf(job('c1'))).toBe(3)
  expect(queue.aheadOf(job('b2'))).toBe(4)
  expect(queue.aheadOf(job('a4'))).toBe(5)
  expect(queue.aheadOf(job('p2', true))).toBe(1)
  // Of many who are preferred, three go before each of the others.
  for (const id of ['q1', 'r1', 's1', 't1']) queue.push(job(id, true))
  expect(queueOf(...['p1', 'q1', 'r1', 's1', 't1'].map((id) => job(id, true))).aheadOf(job('a1'))).toBe(3)
  expect(queue.aheadOf(job('c1'))).toBe(2 + 5)
})

test('what is removed is not served, once', () => {
  const gone = job('a1')
  const queue = queueOf(gone, job('a2'))
  expect([queue.remove(gone), queue.remove(gone)]).toEqual([true, false])
  expect(queue.size).toBe(1)
  expect(drain(queue)).toEqual(['a2'])
})

test('room is made by the job whose turn is last, never by one whose turn is no later than one’s own', () => {
  const queue = queueOf(job('a1'), job('a2'), job('a3'), job('b1'))
  expect(queue.makeRoomFor(job('c1'))?.id).toBe('a3')
  expect(queue.makeRoomFor(job('b2'))).toBeUndefined()
  expect(queue.makeRoomFor(job('p1', true))?.id).toBe('a2')
  expect(drain(queue)).toEqual(['a1', 'b1'])
})

test('those who are known have half of the places and no more: the others are not put out for them', () => {
  const queue = new FairQueue<Job>({ clock: new ManualClock(), maxWaiting: 4 })
  for (const one of [job('a1'), job('b1'), job('p1', true), job('q1', true)]) queue.push(one)
  expect(queue.hasRoomFor(job('r1', true))).toBe(false)
  expect(queue.makeRoomFor(job('r1', true))).toBeUndefined()
  expect(drain(queue)).toEqual(['p1', 'q1', 'a1', 'b1'])
  for (const one of [job('p1', true), job('p2', true)]) queue.push(one)
  expect([queue.hasRoomFor(job('q1', true)), queue.hasRoomFor(job('a1'))]).toEqual([false, true])
  expect(queue.makeRoomFor(job('q1', true))?.id).toBe('p2')
})

test('who has failed goes behind who has not, gives way to them, and is forgiven after a minute', async () => {
  const clock = new ManualClock()
  await clock.advance(1)
  const queue = new FairQueue<Job>({ clock, maxWaiting: 4 })
  queue.recordFailure('a')
  queue.recordFailure('a')
  queue.recordFailure('b')
  const wait = () => ['a1', 'b1', 'c1'].forEach((id) => queue.push(job(id)))
  wait()
  expect(queue.aheadOf(job('d1'))).toBe(1)
  expect(queue.makeRoomFor(job('d1'))?.id).toBe('a1')
  queue.push(job('a1'))
  expect(drain(queue)).toEqual(['c1', 'b1', 'a1'])
  await clock.advance(60_001)
  wait()
  expect(drain(queue)).toEqual(['a1', 'b1', 'c1'])
})
