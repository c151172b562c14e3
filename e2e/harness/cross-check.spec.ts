import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from '@playwright/test'
import { findProgram } from '#fixtures/services/process/find-program.ts'
import { labScenarioUrl, startLabServer } from '#measurement/lab/lab-server.ts'
import { startLoadGenerator } from '#measurement/load/load-generator.ts'

const run = promisify(execFile)
const PLAIN_PROBE = fileURLToPath(new URL('../../fixtures/measurement/lab/plain-probe.process.ts', import.meta.url))

const USERS = 16
/** The server waits before it answers, so that its time and not that of a client bounds the throughput. */
const LATENCY_MS = 10
const ROUND_MS = 2_000
const ROUNDS = 3

async function askWrk(wrk: string, url: string): Promise<number> {
  const words = ['-t', '1', '-c', String(USERS), '-d', `${ROUND_MS / 1_000}s`, url]
  const { stdout } = await run(wrk, words)
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1])
}

async function askPlainly(url: string): Promise<number> {
  const { stdout } = await run(process.execPath, [PLAIN_PROBE, url, String(USERS), String(ROUND_MS)])
  return Number(stdout)
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

test('another tool finds the same throughput on the same server, within 5 %: wrk where it is installed, otherwise a probe of Node’s own client', async () => {
  await using server = await startLabServer()
  await using generator = await startLoadGenerator({ scenarioUrl: labScenarioUrl, context: { medianMs: LATENCY_MS } })
  const wrk = await findProgram(['wrk'])
  const url = `${server.url}/after?ms=${LATENCY_MS}`
  const order = { baseUrl: server.url, users: USERS, durationMs: ROUND_MS, seed: 1, timeLimitMs: 5_000 }
  const ours: number[] = []
  const others: number[] = []
  await generator.run({ ...order, durationMs: 500 })
  for (let round = 0; round < ROUNDS; round += 1) {
    const { samples } = await generator.run(order)
    ours.push((samples.kind.length / Math.max(...samples.doneMs)) * 1_000)
    others.push(wrk === undefined ? await askPlainly(url) : await askWrk(wrk, url))
  }
  const description = `${median(ours).toFixed(0)}/s, ${wrk === undefined ? 'plain probe' : 'wrk'} ${median(others).toFixed(0)}/s`
  test.info().annotations.push({ type: 'measured', description })
  expect(Math.abs(median(ours) / median(others) - 1), description).toBeLessThan(0.05)
})
