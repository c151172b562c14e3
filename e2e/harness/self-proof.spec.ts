import { expect as baseExpect, test } from '@playwright/test'
import { labScenarioUrl, startLabServer } from '#measurement/lab/lab-server.ts'
import type { LabContext } from '#measurement/lab/lab.scenario.ts'
import { untilSound } from '#measurement/lab/until-sound.ts'
import { compareLoad, type LoadComparison } from '#measurement/load/compare-load.ts'
import { startLoadGenerator } from '#measurement/load/load-generator.ts'
import { measureLoad } from '#measurement/load/measure-load.ts'
import { achievedRate, countFailures, responseTimes, scheduleLags } from '#measurement/load/samples.ts'
import { probeSaturation } from '#measurement/load/saturation.ts'
import { constantRate } from '#measurement/load/schedule.ts'
import { measurementMatchers } from '#measurement/matchers.ts'
import { reportProgress } from '#measurement/progress/report-progress.ts'
import { quantileOf } from '#measurement/statistics/quantile-interval.ts'
import { judgeComparison } from '#measurement/verdict/judge-comparison.ts'
import { judgeRun } from '#measurement/verdict/judge-run.ts'

const expect = baseExpect.extend(measurementMatchers)

/** The same server twice, the second time with its latencies stretched. */
async function comparePlanted(slowDown: number): Promise<LoadComparison> {
  const plain: LabContext = { medianMs: 30, sigma: 0.3 }
  await using server = await startLabServer()
  await using first = await startLoadGenerator({ scenarioUrl: labScenarioUrl, context: plain })
  await using second = await startLoadGenerator({ scenarioUrl: labScenarioUrl, context: { ...plain, slowDown } })
  using progress = reportProgress(test.info())
  const options = { shape: constantRate(400, 600), seed: 1, pairs: 8, lagBudgetMs: 20, onProgress: progress.onProgress }
  return await untilSound(
    () =>
      compareLoad(
        { name: 'plain', baseUrl: server.url, generator: first },
        { name: 'planted', baseUrl: server.url, generator: second },
        options,
      ),
    (compared) => [...compared.first.voidReasons, ...compared.second.voidReasons],
    3,
  )
}

test('a slow-down of 20 % that was planted is found', async () => {
  const { first, second } = await comparePlanted(1.2)
  const [median] = judgeComparison(first, second, { p50: 1.1 })
  test.info().annotations.push({ type: 'measured', description: `ratio ${median?.ratio.toFixed(3)}` })
  expect(median?.change).toBe('slower')
  expect(Math.abs((median?.ratio ?? 0) / 1.2 - 1)).toBeLessThan(0.05)
})

test('no change is found where none was planted, and the smallest detectable one is told', async () => {
  const { first, second } = await comparePlanted(1)
  const [median] = judgeComparison(first, second, { p50: 1.1 })
  const description = `ratio ${median?.ratio.toFixed(3)}, smallest detectable ${median?.smallestDetectable.toFixed(3)}`
  test.info().annotations.push({ type: 'measured', description })
  expect(median?.change).toBe('~')
})

test('a generator that cannot keep its schedule voids the run, whatever its numbers are', async () => {
  await using server = await startLabServer()
  await using generator = await startLoadGenerator({ scenarioUrl: labScenarioUrl, context: {} })
  const targets = { p95: '<10s', errors: '<99%' }
  const run = await measureLoad(
    { name: 'starved', baseUrl: server.url, generator },
    // More than any single process can send.
    {
      shape: constantRate(200_000, 300),
      seed: 1,
      targets,
      blocks: 1,
      maxBlocks: 1,
      maxWarmUps: 0,
      timeLimitMs: 1_500,
    },
  )
  const judgements = judgeRun(run, targets)
  expect(judgements.map(({ verdict }) => verdict)).toEqual(['invalid', 'invalid'])
  expect(judgements[0]?.reason).toContain('of the offered rate')
  expect(run).not.toMeet(targets)
})

test('a server that never settles is no steady state, and its run is void', async () => {
  await using server = await startLabServer()
  // Every block starts with a freeze of the server, and most of its requests wait for the end of it.
  const context: LabContext = { medianMs: 1, freezeAt: 99, freezeMs: 400 }
  await using generator = await startLoadGenerator({ scenarioUrl: labScenarioUrl, context })
  const targets = { p50: '<1s' }
  const run = await measureLoad(
    { name: 'unsettled', baseUrl: server.url, generator },
    { shape: constantRate(250, 600), seed: 1, targets, blocks: 1, maxBlocks: 1, maxWarmUps: 2 },
  )
  expect(judgeRun(run, targets)[0]?.reason).toContain('no steady state within 2 blocks')
})

test('five thousand requests a second come from less than one core', async () => {
  await using server = await startLabServer()
  await using generator = await startLoadGenerator({ scenarioUrl: labScenarioUrl, context: {} })
  const order = { baseUrl: server.url, seed: 1, connections: 64, timeLimitMs: 5_000 }
  await generator.run({ ...order, shape: constantRate(5_000, 1_000) })
  const { samples, generatorCpuShare } = await generator.run({ ...order, shape: constantRate(5_000, 3_000) })
  const lagP99 = quantileOf(scheduleLags(samples).sort(), 0.99)
  const figures = `${achievedRate(samples).toFixed(0)}/s at ${(generatorCpuShare * 100).toFixed(0)} % of a core, lag P99 ${lagP99.toFixed(2)} ms`
  test.info().annotations.push({ type: 'measured', description: figures })
  expect(countFailures(samples)).toBe(0)
  expect(achievedRate(samples)).toBeGreaterThan(4_950)
  expect(generatorCpuShare).toBeLessThan(1)
  expect(samples.kind.length).toBe(15_000)
})

test("a closed loop obeys Little's law: users are throughput times latency", async () => {
  await using server = await startLabServer()
  await using generator = await startLoadGenerator({ scenarioUrl: labScenarioUrl, context: { medianMs: 20 } })
  for (const users of [1, 4]) {
    const options = { baseUrl: server.url, users, durationMs: 1_500, seed: 1, timeLimitMs: 5_000 }
    const { samples } = await generator.run(options)
    const busyMs = responseTimes(samples, options.timeLimitMs).reduce((sum, latency) => sum + latency, 0)
    const tookMs = Math.max(...samples.doneMs)
    expect(busyMs / tookMs / users).toBeGreaterThan(0.85)
    expect(busyMs / tookMs / users).toBeLessThanOrEqual(1)
    expect(countFailures(samples)).toBe(0)
  }
})

test('a saturation probe gives the steps it was asked for, and a knee among them', async () => {
  await using server = await startLabServer()
  await using generator = await startLoadGenerator({ scenarioUrl: labScenarioUrl, context: { medianMs: 20 } })
  const options = { scenario: 'lab', baseUrl: server.url, users: [1, 3], stepMs: 500, seed: 1 }
  const { steps, kneeUsers, maxThroughput } = await probeSaturation(generator, options)
  expect(steps.map(({ users, failures }) => [users, failures])).toEqual([
    [1, 0],
    [3, 0],
  ])
  expect([1, 3]).toContain(kneeUsers)
  expect(maxThroughput).toBe(Math.max(...steps.map(({ throughput }) => throughput)))
})
