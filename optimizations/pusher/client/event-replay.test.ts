import { expect, test } from '@playwright/test'

import { createDeliveryGuard } from './delivery-guard.js'
import { createEventReplay, type EventReplayOptions } from './event-replay.js'

type Positions = Readonly<Record<string, string | null>>
type Answer = (positions: Positions) => Response | Promise<Response>

/** A channel's log as a server keeps it: the n-th event has the position n. */
class Log {
  readonly events: string[] = []
  /** Everything up to here was removed. */
  horizon = 0
  pageSize = 100

  answer(after: string | null): object {
    const position = String(this.events.length)
    if (after === null) return { status: 200, position, isComplete: true, hasMore: false, events: [] }
    const from = Math.max(Number(after), this.horizon)
    const shown = this.events.slice(from, from + this.pageSize)
    const events = shown.map((text, n) => ({ id: String(from + n + 1), event: 'told', data: { text } }))
    const reached = from + shown.length
    return {
      status: 200,
      position: String(reached),
      isComplete: Number(after) >= this.horizon,
      hasMore: reached < this.events.length,
      events,
    }
  }
}

interface Rig {
  readonly log: Log
  readonly heard: string[]
  readonly gaps: object[]
  readonly asked: Positions[]
  /** How many answers have come. */
  answered: number
  answer: Answer
  /** As pusher-js does it. */
  readonly emit: (event: string, data?: unknown) => void
  /** Appends to the log, and delivers it where `isLive`. */
  readonly tell: (text: string, isLive: boolean) => void
  readonly deliver: (position: number) => void
  readonly watched: { stop(): void }
}

function createRig(options: Partial<EventReplayOptions> = {}): Rig {
  const log = new Log()
  const [heard, gaps, asked]: [string[], object[], Positions[]] = [[], [], []]
  const answerAll: Answer = (positions) =>
    Response.json(Object.fromEntries(Object.entries(positions).map(([name, after]) => [name, log.answer(after)])))
  const fetch = async (_url: unknown, init?: { body?: unknown }): Promise<Response> => {
    const { positions } = JSON.parse(String(init?.body)) as { readonly positions: Positions }
    asked.push(positions)
    return Promise.resolve(rig.answer(positions)).finally(() => (rig.answered += 1))
  }
  const onGap = (gap: object) => gaps.push(gap)
  const replay = createEventReplay({ endpoint: '/replay', fetch, onGap, delayMs: 0, retryMs: 1, ...options })
  const listeners = new Set<(event: string, data: unknown) => void>()
  const channel = {
    name: 'private-a',
    bind_global: (listener: (event: string, data: unknown) => void) => listeners.add(listener),
    unbind_global: (listener: (event: string, data: unknown) => void) => listeners.delete(listener),
  }
  const emit = (event: string, data: unknown = {}): void => {
    for (const listener of listeners) listener(event, data)
  }
  const deliver = (position: number): void => {
    emit('told', { _event: `${position} ${position > 1 ? position - 1 : '-'} 1000`, text: log.events[position - 1] })
  }
  const guard = createDeliveryGuard({ replay, onGap: ({ after }) => gaps.push({ missing: after }) })
  const watched = guard.watch(channel)
  watched.bind('told', (data) => heard.push((data as { text: string }).text))
  const tell = (text: string, isLive: boolean): void => {
    log.events.push(text)
    if (isLive) deliver(log.events.length)
  }
  const rig: Rig = { log, heard, gaps, asked, answered: 0, answer: answerAll, emit, tell, deliver, watched }
  return rig
}

/** A page that has heard `a` and `b` and is away now. */
async function createListener(options: Partial<EventReplayOptions> = {}): Promise<Rig> {
  const rig = createRig(options)
  await subscribe(rig)
  rig.tell('a', true)
  rig.tell('b', true)
  return rig
}

/** Subscribed, and what was missed has come: an answer is used before a poll looks again. */
async function subscribe(rig: Rig): Promise<void> {
  const before = rig.asked.length
  rig.emit('pusher:subscription_succeeded')
  await untilAnswered(rig, before + 1)
}

async function untilAnswered(rig: Rig, count: number): Promise<void> {
  await expect.poll(() => rig.asked.length >= count && rig.answered === rig.asked.length).toBe(true)
}

test('what was told while the page was away comes when it is back, once, in order, before what is live', async () => {
  const rig = await createListener()
  for (const text of ['c', 'd', 'e']) rig.tell(text, false)
  rig.emit('pusher:subscription_succeeded')
  // While the server is asked: one of those that it will tell of, one twice, and one that it does not know yet.
  rig.deliver(5)
  rig.tell('f', true)
  rig.deliver(6)
  rig.emit('other', { _event: 'x-1 5 1000' })
  await expect.poll(() => rig.heard.length).toBe(6)
  rig.tell('g', true)
  expect(rig.heard.join('')).toBe('abcdefg')
  expect(rig.gaps).toEqual([])
})

test('the first position is that of the moment when the channel begins to be watched', async () => {
  const rig = createRig()
  await expect.poll(() => rig.asked.length).toBe(1)
  expect(rig.asked).toEqual([{ 'private-a': null }])
  rig.tell('a', false)
  rig.emit('pusher:subscription_succeeded')
  await expect.poll(() => rig.heard).toEqual(['a'])
  expect(rig.asked[1]).toEqual({ 'private-a': '0' })
})

test('a replay in pages is whole, and in one piece with what is live', async () => {
  const rig = await createListener()
  rig.log.pageSize = 2
  for (const text of 'cdefg') rig.tell(text, false)
  rig.emit('pusher:subscription_succeeded')
  rig.tell('h', true)
  await expect.poll(() => rig.heard.join('')).toBe('abcdefgh')
  rig.tell('i', true)
  expect(rig.heard.join('')).toBe('abcdefghi')
})

test('a connection that is lost while the server is asked is asked for anew, and loses nothing', async () => {
  const rig = await createListener()
  const { promise: gate, resolve: open } = Promise.withResolvers<void>()
  const { answer } = rig
  rig.answer = async (positions) => {
    const before = await answer(positions)
    await gate
    return before
  }
  rig.tell('c', false)
  rig.emit('pusher:subscription_succeeded')
  await expect.poll(() => rig.asked.length).toBe(3)
  // Lost again, and told meanwhile: the answer under way does not have it.
  rig.answer = answer
  rig.tell('d', false)
  rig.emit('pusher:subscription_succeeded')
  rig.tell('e', true)
  open()
  await expect.poll(() => rig.heard.join('')).toBe('abcde')
  expect(rig.gaps).toEqual([])
})

test('what is not kept any more is told as a gap, and what there is still comes', async () => {
  const rig = await createListener()
  for (const text of 'cdef') rig.tell(text, false)
  rig.log.horizon = 4
  await subscribe(rig)
  await expect.poll(() => rig.heard.join('')).toBe('abef')
  expect(rig.gaps).toEqual([{ channel: 'private-a', reason: 'removed' }])
})

test('more than maxEvents are told as a gap instead of being replayed to the end, and what comes then is whole', async () => {
  const rig = await createListener({ maxEvents: 4 })
  rig.log.pageSize = 2
  for (const text of 'cdefghijkl') rig.tell(text, false)
  rig.emit('pusher:subscription_succeeded')
  await expect.poll(() => rig.gaps).toEqual([{ channel: 'private-a', reason: 'too_many' }])
  await expect.poll(() => rig.asked.length).toBe(6)
  rig.tell('m', true)
  await expect.poll(() => rig.heard.at(-1)).toBe('m')
  expect(rig.heard.join('')).toBe('abcdefm')
})

test('a server that fails is asked again, with nothing lost and nothing told of it', async () => {
  const rig = await createListener()
  const { answer } = rig
  const failures: Answer[] = [
    () => new Response('', { status: 500 }),
    () => new Response('', { status: 401 }),
    () => new Response('<html>'),
    () => Response.json({}),
    () => Promise.reject(new Error('offline')),
  ]
  rig.answer = (positions) => failures.shift()?.(positions) ?? answer(positions)
  rig.tell('c', false)
  rig.emit('pusher:subscription_succeeded')
  rig.tell('d', true)
  await expect.poll(() => rig.heard.join('')).toBe('abcd')
  expect(rig.gaps).toEqual([])
})

for (const [reason, answer, asked] of [
  ['unavailable', () => Promise.reject(new Error('offline')), 3],
  ['refused', () => Response.json({ 'private-a': { status: 403, error: 'denied' } }), 1],
] as const) {
  test(`a replay that is ${reason} is told as a gap, and the page goes on with what is live`, async () => {
    const rig = await createListener({ attempts: 3 })
    const before = rig.asked.length
    rig.answer = answer
    rig.tell('c', false)
    rig.emit('pusher:subscription_succeeded')
    rig.tell('d', true)
    await expect.poll(() => rig.heard.join('')).toBe('abd')
    // The guard sees from the next event that one is missing, too.
    expect(rig.gaps).toEqual([{ channel: 'private-a', reason }, { missing: '3' }])
    expect(rig.asked.length - before).toBe(asked)
  })
}

test('a page that never learnt its position says so when it is back', async () => {
  const rig = createRig({ attempts: 1 })
  const { answer } = rig
  rig.answer = () => new Response('', { status: 500 })
  await subscribe(rig)
  expect(rig.gaps).toEqual([])
  rig.answer = answer
  rig.tell('a', false)
  await subscribe(rig)
  await expect.poll(() => rig.gaps).toEqual([{ channel: 'private-a', reason: 'unavailable' }])
})

test('so many events are held back and no more: then they pass, and that is told', async () => {
  const rig = await createListener({ maxHeld: 2 })
  rig.answer = () => new Promise<Response>(() => undefined)
  rig.emit('pusher:subscription_succeeded')
  for (const text of 'cd') rig.tell(text, true)
  expect(rig.heard.join('')).toBe('ab')
  rig.tell('e', true)
  expect(rig.heard.join('')).toBe('abcde')
  expect(rig.gaps).toEqual([{ channel: 'private-a', reason: 'too_many' }])
})

test('forty channels that are subscribed together are one request, and a full one leaves at once', async () => {
  const asked: Positions[] = []
  const fetch = async (_url: unknown, init?: { body?: unknown }): Promise<Response> => {
    asked.push((JSON.parse(String(init?.body)) as { readonly positions: Positions }).positions)
    return Response.json({})
  }
  const replay = createEventReplay({ endpoint: '/', fetch, onGap: () => undefined, attempts: 1, maxChannels: 30 })
  const sinks = { live: () => undefined, replayed: () => undefined }
  for (let n = 0; n < 40; n += 1) replay.follow(`private-${n}`, sinks)
  await expect.poll(() => asked.map((positions) => Object.keys(positions).length)).toEqual([30, 10])
})

test('a channel that is not watched any more hears nothing, also of what is on its way', async () => {
  const rig = await createListener()
  rig.tell('c', false)
  rig.emit('pusher:subscription_succeeded')
  rig.tell('d', true)
  rig.watched.stop()
  await untilAnswered(rig, 3)
  rig.tell('e', true)
  expect(rig.heard.join('')).toBe('ab')
})

test('the token of each moment is sent', async () => {
  let token = 0
  const given: unknown[] = []
  const fetch = async (_url: unknown, init?: { headers?: unknown }): Promise<Response> => {
    given.push((init?.headers as Record<string, string> | undefined)?.['authorization'])
    return Response.json({})
  }
  const headers = async () => ({ authorization: `Bearer ${(token += 1)}` })
  const replay = createEventReplay({ endpoint: '/', fetch, headers, onGap: () => undefined, delayMs: 0 })
  const sinks = { live: () => undefined, replayed: () => undefined }
  replay.follow('private-a', sinks)
  await expect.poll(() => given).toEqual(['Bearer 1'])
  replay.follow('private-b', sinks)
  await expect.poll(() => given).toEqual(['Bearer 1', 'Bearer 2'])
})
