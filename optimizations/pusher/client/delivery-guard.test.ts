import { expect, test } from '@playwright/test'

import { createDeliveryGuard, readStamp } from './delivery-guard.js'

const stamped = (id: string, after = '-', at = 1_000): object => ({
  _event: `${id} ${after} ${at}`,
  n: id,
})

test('an event that arrives again is known as a duplicate, on its own channel', () => {
  const guard = createDeliveryGuard()
  expect(guard.accept('a', stamped('e1'))).toEqual({ isDuplicate: false, data: { n: 'e1' } })
  expect(guard.accept('a', stamped('e1')).isDuplicate).toBe(true)
  expect(guard.accept('b', stamped('e1')).isDuplicate).toBe(false)
})

test('a gap is told once, with what is missing and what told of it', () => {
  const gaps: object[] = []
  const guard = createDeliveryGuard({ onGap: (gap) => gaps.push(gap) })
  guard.accept('a', stamped('e2', 'e1'))
  guard.accept('a', stamped('e3', 'e2'))
  guard.accept('a', stamped('e5', 'e4'))
  guard.accept('a', stamped('e6', 'e5'))
  guard.accept('a', stamped('e6', 'e5'))
  expect(gaps).toEqual([{ channel: 'a', after: 'e4', id: 'e5' }])
})

test('the first event of a channel tells of no gap, nor does one that names nothing before it', () => {
  const gaps: object[] = []
  const guard = createDeliveryGuard({ onGap: (gap) => gaps.push(gap) })
  guard.accept('a', stamped('e9', 'e8'))
  guard.accept('a', stamped('x1'))
  guard.accept('b', stamped('e9', 'e8'))
  expect(gaps).toEqual([])
})

test('the delivery is timed from the stamp, duplicates not', () => {
  const deliveries: object[] = []
  const guard = createDeliveryGuard({ onDelivery: (delivery) => deliveries.push(delivery), now: () => 1_250 })
  guard.accept('a', stamped('e1', '-', 1_000))
  guard.accept('a', stamped('e1', '-', 1_000))
  expect(deliveries).toEqual([{ channel: 'a', id: 'e1', latencyMs: 250 }])
})

test('only so many ids and channels are remembered', () => {
  const guard = createDeliveryGuard({ windowSize: 3, maxChannels: 2 })
  for (const id of ['e1', 'e2', 'e3', 'e4']) guard.accept('a', stamped(id))
  expect(guard.accept('a', stamped('e4')).isDuplicate).toBe(true)
  expect(guard.accept('a', stamped('e1')).isDuplicate).toBe(false)
  guard.accept('b', stamped('e1'))
  guard.accept('a', stamped('e9'))
  guard.accept('c', stamped('e1'))
  expect(guard.accept('a', stamped('e9')).isDuplicate).toBe(true)
  expect(guard.accept('b', stamped('e1')).isDuplicate).toBe(false)
})

for (const payload of [null, 'text', 7, [1], {}, { _event: 5 }, { _event: 'one two' }, { n: 1 }]) {
  test(`${JSON.stringify(payload)} has no stamp, and passes as it is`, () => {
    expect(readStamp(payload)).toEqual({ data: payload, stamp: undefined })
    expect(createDeliveryGuard().accept('a', payload)).toEqual({ isDuplicate: false, data: payload })
  })
}

test('a member of that name in an object is not taken for the wrapping of a value', () => {
  expect(readStamp({ _event: 'e1 - 1000', data: [1] }).data).toEqual({ data: [1] })
  expect(readStamp({ _event: 'e1 - 1000 v', data: [1] }).data).toEqual([1])
})

test('a watched channel calls listeners once for each event, and leaves out what is Pusher’s own', () => {
  const listeners = new Set<(event: string, data: unknown) => void>()
  const channel = {
    name: 'a',
    bind_global: (listener: (event: string, data: unknown) => void) => listeners.add(listener),
    unbind_global: (listener: (event: string, data: unknown) => void) => listeners.delete(listener),
  }
  const emit = (event: string, data: unknown): void => {
    for (const listener of listeners) listener(event, data)
  }
  const got: unknown[] = []
  const watched = createDeliveryGuard().watch(channel)
  const second = (data: unknown): void => void got.push(['second', data])
  watched.bind('moved', (data) => got.push(['first', data]))
  watched.bind('moved', second)
  emit('pusher:subscription_succeeded', {})
  emit('moved', stamped('e1'))
  emit('moved', stamped('e1'))
  emit('other', stamped('e2'))
  watched.unbind('moved', second)
  watched.unbind('never', second)
  emit('moved', stamped('e3'))
  watched.stop()
  emit('moved', stamped('e4'))
  expect(got).toEqual([
    ['first', { n: 'e1' }],
    ['second', { n: 'e1' }],
    ['first', { n: 'e3' }],
  ])
})
