import { expect, test } from '@playwright/test'
import { untilSound } from '#measurement/lab/until-sound.ts'
import { labScenarioUrl, startLabServer } from '#measurement/lab/lab-server.ts'
import type { LabContext } from '#measurement/lab/lab.scenario.ts'
import { startLoadGenerator, type GeneratedBlock } from '#measurement/load/load-generator.ts'
import { constantRate, type LoadShape } from '#measurement/load/schedule.ts'
import { voidReasonsOf } from '#measurement/load/load-run.ts'
import { achievedRate, countFailures, responseTimes, serviceTimes } from '#measurement/load/samples.ts'
import { quantileOf } from '#measurement/statistics/quantile-interval.ts'

const TIME_LIMIT_MS = 5_000

interface DriveOptions {
  readonly connections?: number
  readonly seed?: number
}

async function drive(context: LabContext, shape: LoadShape, options: DriveOptions = {}): Promise<GeneratedBlock> {
  await using server = await startLabServer()
  await using generator = await startLoadGenerator({ scenarioUrl: labScenarioUrl, context })
  const order = { baseUrl: server.url, seed: 1, connections: 256, timeLimitMs: TIME_LIMIT_MS, ...options }
  // The code that measures is compiled before it measures.
  await generator.run({ ...order, shape: constantRate(200, 1_000) })
  return await generator.run({ ...order, shape })
}

/** What was measured goes beside the result of the test. */
function report(description: string): void {
  test.info().annotations.push({ type: 'measured', description })
}

const latencies = ({ samples }: GeneratedBlock): Float64Array => responseTimes(samples, TIME_LIMIT_MS).sort()

test('a freeze of 600 ms moves P95 to what arithmetic says, though nine of ten requests never saw it', async () => {
  // 8 s at 100/s: 7.5 % of the arrivals fall into the freeze and wait for its end, evenly from 600 ms down to 0.
  const block = await untilSound(
    () => drive({ medianMs: 5, freezeAt: 300, freezeMs: 600 }, constantRate(100, 8_000)),
    (measured) => voidReasonsOf([measured], 20),
    3,
  )
  const p95 = quantileOf(latencies(block), 0.95)
  const analytic = ((7.5 - 5) / 7.5) * 600 + 5
  report(`P95 ${p95.toFixed(1)} ms, analytic ${analytic} ms`)
  expect(Math.abs(p95 / analytic - 1)).toBeLessThan(0.15)
  expect(achievedRate(block.samples)).toBeGreaterThan(99)
})

test('with few connections the time of service hides a freeze, and the latency does not', async () => {
  const block = await drive({ medianMs: 5, freezeAt: 100, freezeMs: 600 }, constantRate(100, 4_000), {
    connections: 4,
  })
  // Four requests were on the wire; nearly sixty waited for one of their connections.
  expect(quantileOf(serviceTimes(block.samples).sort(), 0.95)).toBeLessThan(50)
  expect(quantileOf(latencies(block), 0.95)).toBeGreaterThan(200)
})

test('a known distribution of latency is measured within 2 % at P95', async () => {
  const block = await untilSound(
    () => drive({ medianMs: 40, sigma: 0.5 }, constantRate(250, 4_000), { seed: 3 }),
    (measured) => voidReasonsOf([measured], 3),
  )
  const p95 = quantileOf(latencies(block), 0.95)
  // Of this very sample: the quantile of the whole distribution differs from it by chance.
  const drawn = quantileOf(block.samples.serverMs.toSorted(), 0.95)
  report(`P95 ${p95.toFixed(2)} ms of ${drawn.toFixed(2)} ms`)
  expect(Math.abs(p95 / drawn - 1)).toBeLessThan(0.02)
})

test('a wrong answer with status 200 is a failure, and counts as slow as the time limit', async () => {
  const block = await drive({ medianMs: 1, lieShare: 0.2 }, constantRate(100, 2_000))
  const failures = countFailures(block.samples)
  expect(failures).toBeGreaterThan(20)
  expect(block.faults).toEqual({ 'lab: the number of another request': failures })
  expect(quantileOf(latencies(block), 0.95)).toBe(TIME_LIMIT_MS)
})

test('a server that is not there fails every request, and the run ends all the same', async () => {
  const server = await startLabServer()
  await server[Symbol.asyncDispose]()
  await using generator = await startLoadGenerator({ scenarioUrl: labScenarioUrl, context: {} })
  const shape = constantRate(50, 1_000)
  const block = await generator.run({ baseUrl: server.url, shape, seed: 1, connections: 8, timeLimitMs: 1_000 })
  expect(countFailures(block.samples)).toBe(50)
  expect(Object.keys(block.faults).join()).toContain('ECONNREFUSED')
})
