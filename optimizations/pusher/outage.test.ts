import { expect, test } from '@playwright/test'

import { LeapingClock } from '#fixtures/doubles/leaping-clock.ts'
import { MemoryOutbox } from '#fixtures/doubles/pusher-memory-outbox.ts'
import { dataOf, startPublisherRig } from '#fixtures/doubles/pusher-rig.ts'
import { classifyAnswer } from './classify-answer.ts'
import type { HttpAnswer } from './http-answer.ts'

const EVENTS = 40
const CHANNELS = 4

const numbers = (length: number): number[] => Array.from({ length }, (_, n) => n)
const answering = (status: number, rest: Partial<HttpAnswer> = {}): HttpAnswer => ({
  status,
  body: '',
  retryAfterMs: undefined,
  fault: undefined,
  ...rest,
})

const OUTAGES: ReadonlyArray<readonly [what: string, answer: HttpAnswer, hours: readonly number[]]> = [
  ['refuses connections', answering(0, { fault: 'econnrefused' }), [1, 24]],
  ['answers 500', answering(500), [1]],
  ['answers 503', answering(503), [1]],
  ['answers 503 with Retry-After: 60', answering(503, { retryAfterMs: 60_000 }), [1]],
  ['answers 429', answering(429), [1]],
  ['answers 429 with Retry-After: 60', answering(429, { retryAfterMs: 60_000 }), [1, 24]],
  ['answers 401', answering(401), [1, 24]],
  ['answers 403', answering(403), [1]],
  ['answers 404', answering(404), [1]],
  ['answers 307', answering(307), [1, 24]],
  ['answers 405 with a page', answering(405, { body: '<html>Not Allowed</html>' }), [1]],
  ['answers 400 with a page', answering(400, { body: '<html>Bad Request</html>' }), [1]],
  ['answers 413 without a word', answering(413), [1]],
  [
    'is another server, which answers 200 with a page',
    answering(200, { body: '<!doctype html><p>It works!' }),
    [1, 24],
  ],
  ['is another server, which answers 200 with JSON', answering(200, { body: '{"status":"up"}' }), [1]],
]

for (const [what, answer, outages] of OUTAGES) {
  for (const hours of outages) {
    const ms = hours * 3_600_000
    test(`when Pusher ${what} for ${hours} h, health tells it, and afterwards every event of the outbox arrives in its order`, async () => {
      const clock = new LeapingClock(1_700_000_000_000)
      const outbox = new MemoryOutbox(clock)
      for (const n of numbers(EVENTS)) outbox.append(`channel-${n % CHANNELS}`, 'counted', n)
      const { transport, publisher } = await startPublisherRig({ clock, outbox, script: () => classifyAnswer(answer) })
      const healthyAnswer = transport.answer
      transport.answer = answer
      for (let told = 0; told < 4; told += 1) {
        await clock.advance(ms / 4)
        expect(await outbox.depth()).toMatchObject({ waiting: EVENTS, deadLettered: 0 })
        const { status, reasons } = await publisher.health()
        expect(status).not.toBe('healthy')
        expect(reasons.join()).toContain(`outbox: oldest event waits for ${Math.round(((told + 1) * ms) / 4_000)} s`)
      }

      transport.script = () => undefined
      transport.answer = healthyAnswer
      // Longer than any pause: of the breaker, of a refusal for the app's sake, of a Retry-After.
      await clock.advance(120_000)
      for (const channel of numbers(CHANNELS)) {
        const its = transport.delivered.filter((event) => event.channel === `channel-${channel}`)
        expect(dataOf(its)).toEqual(numbers(EVENTS).filter((n) => n % CHANNELS === channel))
      }
      expect(await outbox.depth()).toMatchObject({ waiting: 0, deadLettered: 0 })
      expect(publisher.stats().outcomes.dead_lettered).toBe(0)
      expect(await publisher.health()).toMatchObject({ status: 'healthy' })
    })
  }
}
