import { expect, test } from '@playwright/test'
import { FairQueue, type Queued } from './fair-queue.ts'

interface Job extends Queued {
  readonly id: string
}

const job = (id: string, isPreferred = false): Job => ({ id, group: id.slice(0, 1), isPreferred })

function queueOf(...jobs: readonly Job[]): FairQueue<Job> {
  const queue = new FairQueue<Job>()
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
  const preferred = ['p1', 'p2', 'p3', 'p4', 'p5'].map((id) => job(id, true))
  expect(drain(queueOf(job('a1'), job('a2'), ...preferred))).toEqual(['p1', 'p2', 'p3', 'a1', 'p4', 'p5', 'a2'])
})

test('how many are ahead is what the turns say', () => {
  const queue = queueOf(job('a1'), job('a2'), job('a3'), job('b1'), job('p1', true))
  expect(queue.aheadOf(job('c1'))).toBe(3)
  expect(queue.aheadOf(job('b2'))).toBe(4)
  expect(queue.aheadOf(job('a4'))).toBe(5)
  expect(queue.aheadOf(job('p2', true))).toBe(1)
})

test('what is removed is not served, once', () => {
  const gone = job('a1')
  const queue = queueOf(gone, job('a2'))
  expect([queue.remove(gone), queue.remove(gone)]).toEqual([true, false])
  expect(queue.size).toBe(1)
  expect(drain(queue)).toEqual(['a2'])
})

test('room is made by the newest job of the group with the most, never by a group that has no more than oneself', () => {
  const queue = queueOf(job('a1'), job('a2'), job('a3'), job('b1'))
  expect(queue.makeRoomFor(job('c1'))?.id).toBe('a3')
  expect(queue.makeRoomFor(job('b2'))).toBeUndefined()
  expect(queue.makeRoomFor(job('p1', true))?.id).toBe('a2')
  expect(queue.makeRoomFor(job('p1', true))?.id).toBe('a1')
  expect(drain(queue)).toEqual(['b1'])
})

test('no room is made for whom nobody is preferred to by preferred jobs', () => {
  const queue = queueOf(job('p1', true), job('p2', true))
  expect(queue.makeRoomFor(job('a1'))).toBeUndefined()
  expect(queue.makeRoomFor(job('q1', true))?.id).toBe('p2')
})
