import { joinClasses } from '#fixtures/playwright/event-audience.ts'
import { compareFlooded, judgeFlood } from '#fixtures/floods/compare-flooded.ts'
import { startFlood } from '#fixtures/floods/start-flood.ts'
import type { TriggerFlood } from '#fixtures/floods/trigger-flood.process.ts'
import { expect, test } from '#fixtures/test.ts'
import { quantileOf } from '#measurement/statistics/quantile-interval.ts'

const FLOOD = new URL('../../fixtures/floods/trigger-flood.process.ts', import.meta.url)
const FLOOD_PER_SECOND = 500
/** Reports of each of five students in a block: a hundred events a second for a second. */
const REPORTS = 20
/** Half as much again as the school sends in a block. */
const TIGHT = { PUSHER_EVENTS_PER_SECOND: '150' }
const LIMITED = { RATE_LIMIT_TRIGGERS_PER_USER: '10' }

for (const [what, id, environment] of [
  ['where Pusher takes whatever comes', 'roomy', LIMITED],
  ['where Pusher takes little more than the school sends', 'tight', { ...LIMITED, ...TIGHT }],
  ['where Pusher takes little more, and nothing limits a user', 'unlimited', TIGHT],
] as const) {
  test(`while a student floods a class, the events of all others take less than twice their time at P95, ${what}`, async ({
    startOwn,
    measure,
  }, testInfo) => {
    const server = await startOwn({ name: 'optimised', environment })
    await using audience = await joinClasses(server)
    // On a channel that the others hear, too.
    const [{ token, channel } = { token: '', channel: '' }] = audience.senders
    const order: TriggerFlood = { url: server.url, token, channel, requestsPerSecond: FLOOD_PER_SECOND }
    await using flood = startFlood(FLOOD, order)
    const voidReason = await measure.quiet()

    /** P95 of what the school tells; the flood's own events are nobody's. However late they are: that is measured. */
    const block = async (): Promise<number> => {
      const sinceMs = Date.now()
      const { expected } = await audience.reportProgress(REPORTS)
      const arrived = () => audience.arrivals(sinceMs, 'progress.updated')
      await expect.poll(() => arrived().length, { timeout: 60_000 }).toBe(expected)
      return quantileOf(Float64Array.from(arrived().flatMap(({ latencyMs }) => latencyMs ?? [])).sort(), 0.95)
    }
    const settle = () => expect.poll(() => server.pendingEvents(), { timeout: 60_000 }).toBe(0)
    const compared = await compareFlooded(flood, block, { pairs: measure.plan.pairs, settle })
    const { verdict, description } = await judgeFlood(testInfo, compared, {
      id: `flood.trigger.${id}.latency.p95`,
      title: `Flood of events, ${what}: P95 of the others, with : without`,
      target: '<2',
      voidReason,
    })
    testInfo.annotations.push({ type: 'flood', description })
    expect(compared.statuses['202'] ?? 0).toBeGreaterThan(0)
    expect.soft(verdict, description).not.toBe('fail')
  })
}
