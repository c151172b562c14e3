import { setTimeout as pause } from 'node:timers/promises'

import { reporters } from '#fixtures/faults/breakable-app.ts'
import { test } from '#fixtures/faults/breakable-fixtures.ts'
import type { ApiClient } from '#fixtures/playwright/api-client.ts'
import { expect } from '#fixtures/test.ts'
import { readStamp } from '#optimizations/pusher/client/delivery-guard.js'

const several = reporters(4)
const STEP_MS = 25
/** So long at least is measured with Pusher there, to compare with. */
const BEFORE_MS = 5_000

interface Reading {
  readonly residentMiB: number
  /** Events and bytes in the publisher's memory. */
  readonly queued: number
  readonly queuedBytes: number
}

async function read(url: string): Promise<Reading> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const value = (line: RegExp): number => Number(line.exec(text)?.[1])
  return {
    residentMiB: value(/^nodejs_memory_bytes\{[^}]*kind="resident"[^}]*\} (\S+)$/m) / 1_048_576,
    queued: value(/^hotpath_pusher_queue_events(?:\{.*\})? (\S+)$/m),
    queuedBytes: value(/^hotpath_pusher_queue_bytes(?:\{.*\})? (\S+)$/m),
  }
}

async function waiting(client: ApiClient): Promise<number> {
  const { body } = await client.get('/health/performance')
  const { pusher } = body['services'] as Record<string, { details?: { outbox?: { waiting: number } } }>
  return pusher?.details?.outbox?.waiting ?? -1
}

function p95(latencies: readonly number[]): number {
  return latencies.toSorted((one, other) => one - other)[Math.ceil(latencies.length * 0.95) - 1] ?? Infinity
}

test('while Pusher is away under load requests keep their P95 and memory its bounds, and afterwards every event arrives', async ({
  breakable,
  intensity,
}) => {
  const outageMs = 60_000 * intensity
  test.setTimeout(120_000 + 3 * outageMs)
  await using server = await breakable.startServer()
  const writers = await Promise.all(several.map(({ username }) => breakable.clientOf(server, username)))
  const [observer] = writers as [ApiClient]
  await expect.poll(() => waiting(observer), { timeout: 30_000 }).toBe(0)
  await using subscribers = new AsyncDisposableStack()
  const listening = await Promise.all(
    several.map(async (reporter) => subscribers.use(await breakable.subscribe(server, reporter))),
  )
  let reported = 0
  /** Open loop: a request is due at its time, and its latency counts from then. */
  const load = async (durationMs: number): Promise<readonly number[]> => {
    const latencies: number[] = []
    const underWay: Promise<void>[] = []
    const began = performance.now()
    for (let dueMs = 0; dueMs < durationMs; dueMs += STEP_MS) {
      await pause(Math.max(0, began + dueMs - performance.now()))
      reported += 1
      const at = reported % several.length
      const report = async (timeSpentSec: number): Promise<void> => {
        const path = `/api/v1/lessons/${several[at]?.lessonId}/progress`
        const reply = await writers[at]?.put(path, { percent: 50, timeSpentSec })
        expect(reply?.status).toBe(200)
        latencies.push(performance.now() - began - dueMs)
      }
      underWay.push(report(reported))
    }
    await Promise.all(underWay)
    return latencies
  }

  await load(1_000)
  const before = await load(Math.max(BEFORE_MS, outageMs / 4))
  const readingBefore = await read(server.url)
  const gone = await breakable.pusherLink.inject({ kind: 'refuse' })
  const sentBefore = reported
  let during: readonly number[]
  let readingDuring: Reading
  try {
    breakable.pusherLink.reset()
    during = await load(outageMs)
    readingDuring = await read(server.url)
    expect(await waiting(observer)).toBeGreaterThanOrEqual((reported - sentBefore) * 0.9)
  } finally {
    await gone.end()
  }

  // A loaded machine may be slower by itself from one half minute to the next; waiting for Pusher would cost seconds.
  expect(p95(during)).toBeLessThan(2 * p95(before) + 50)
  expect(readingDuring.queued).toBeLessThanOrEqual(500)
  expect(readingDuring.queuedBytes).toBeLessThan(500 * 10_240)
  expect(readingDuring.residentMiB).toBeLessThan(readingBefore.residentMiB + 64)
  for (const [at, client] of listening.entries()) {
    const caused = Array.from({ length: reported }, (_, n) => n + 1).filter((n) => n % several.length === at).length
    const distinct = (): number => new Set(client.received.map(({ data }) => readStamp(data).stamp?.id)).size
    await expect.poll(distinct, { timeout: 60_000 + outageMs }).toBe(caused)
  }
  await expect.poll(() => waiting(observer), { timeout: 30_000 }).toBe(0)
  test.info().annotations.push({
    type: 'outage',
    description:
      `${outageMs / 1_000} s, ${reported - sentBefore} events waited, P95 ${p95(before).toFixed(1)} ms before and ` +
      `${p95(during).toFixed(1)} ms during it, RSS ${readingBefore.residentMiB.toFixed(0)} and ${readingDuring.residentMiB.toFixed(0)} MiB`,
  })
})
