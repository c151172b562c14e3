import { expect, test } from '@playwright/test'
import * as fc from 'fast-check'

import { startPublisherRig } from '#fixtures/doubles/pusher-rig.ts'
import type { ScriptedTransport, Script, SentEvent } from '#fixtures/doubles/pusher-scripted-transport.ts'
import { randomInteger, seededRandom } from '#optimizations/kernel/random.ts'
import { createDeliveryGuard } from './client/delivery-guard.js'
import type { SendOutcome } from './send-outcome.ts'

interface Payload {
  readonly n: number
  readonly isPoison: boolean
}

/** Faults by chance; a request that times out may have been delivered all the same. */
function chaos(transport: ScriptedTransport, seed: number, faultShare: number): Script {
  const random = seededRandom(seed)
  const faults: readonly SendOutcome[] = [
    { kind: 'unavailable', reason: 'http_500' },
    { kind: 'unavailable', reason: 'reset' },
    { kind: 'throttled', reason: 'http_429', retryAfterMs: 40 },
    { kind: 'throttled', reason: 'http_429' },
  ]
  return ({ events }) => {
    if (events.some(({ data }) => data.includes('"isPoison":true'))) {
      return { kind: 'refused', scope: 'event', reason: 'http_400' }
    }
    if (random() >= faultShare) return undefined
    if (random() >= 0.3) return faults[randomInteger(random, faults.length)]
    transport.delivered.push(...events)
    return { kind: 'unavailable', reason: 'timeout' }
  }
}

/** What a subscriber with the guard makes of what arrives, by channel and event: each event has its own priority. */
function receive(events: readonly SentEvent[]): Record<string, number[]> {
  const guard = createDeliveryGuard()
  const received: Record<string, number[]> = {}
  for (const { channel, name, data } of events) {
    const event = guard.accept(channel, JSON.parse(data))
    if (!event.isDuplicate) (received[`${channel} ${name}`] ??= []).push((event.data as Payload).n)
  }
  return received
}

const schedule = fc.record({
  seed: fc.nat(),
  faultShare: fc.double({ min: 0, max: 0.5, noNaN: true }),
  channels: fc.integer({ min: 1, max: 12 }),
  latencyMs: fc.integer({ min: 0, max: 20 }),
  poolSize: fc.integer({ min: 1, max: 5 }),
})

test('whatever fails, every event ends once, what is delivered is in order, and only poison is lost', async () => {
  test.setTimeout(120_000)
  await fc.assert(
    fc.asyncProperty(schedule, async ({ seed, faultShare, channels, ...options }) => {
      const { clock, transport, publisher, faults } = await startPublisherRig({ seed, ...options, retryMaxMs: 500 })
      transport.script = chaos(transport, seed, faultShare)
      const random = seededRandom(seed + 1)
      const expected: Record<string, number[]> = {}
      let poison = 0
      for (let n = 0; n < 150; n += 1) {
        const channel = `channel-${randomInteger(random, channels)}`
        const isPoison = random() < 0.03
        const name = random() < 0.3 ? 'typed' : 'counted'
        const priority = name === 'typed' ? 'background' : 'normal'
        void publisher.publish(channel, name, { n, isPoison }, { priority, immediate: random() < 0.1 })
        if (isPoison) poison += 1
        else (expected[`${channel} ${name}`] ??= []).push(n)
        await clock.advance(randomInteger(random, 4))
      }
      transport.script = chaos(transport, seed, 0)
      for (let round = 0; round < 300 && publisher.stats().pending > 0; round += 1) await clock.advance(100)
      expect(receive(transport.delivered)).toEqual(expected)
      const { accepted, outcomes, pending } = publisher.stats()
      expect({ accepted, pending, ...outcomes }).toEqual({
        accepted: 150,
        pending: 0,
        delivered: 150 - poison,
        dead_lettered: poison,
        coalesced: 0,
        refused: 0,
        expired: 0,
        released: 0,
      })
      expect(faults).toEqual([])
    }),
    { numRuns: 40 },
  )
})
