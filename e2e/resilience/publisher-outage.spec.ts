import { setTimeout as pause } from 'node:timers/promises'

import { compareFlooded } from '#fixtures/floods/compare-flooded.ts'
import { reporters } from '#fixtures/faults/breakable-app.ts'
import { test } from '#fixtures/faults/breakable-fixtures.ts'
import type { ApiClient } from '#fixtures/playwright/api-client.ts'
import type { ActiveFault, FaultProxy } from '#fixtures/services/proxy/fault-proxy.ts'
import { expect } from '#fixtures/test.ts'
import { readStamp } from '#optimizations/pusher/client/delivery-guard.js'

const several = reporters(4)
const STEP_MS = 25
/** Blocks of load with Pusher there and without take turns, so that both meet the same machine. */
const PAIRS = 6

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

/** Pusher goes when a flood would begin, and comes back. */
function pusherOutage(link: FaultProxy): Parameters<typeof compareFlooded>[0] {
  let gone: Promise<ActiveFault> | undefined
  return {
    begin: () => {
      gone = link.inject({ kind: 'refuse' })
      link.reset()
    },
    pause: async () => {
      await (await gone)?.end()
      return { statuses: {} }
    },
  }
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
  const awaitDelivered = (): Promise<void> => expect.poll(() => waiting(observer), { timeout: 30_000 }).toBe(0)
  const link = breakable.pusherLink
  const compared = await compareFlooded(pusherOutage(link), async () => p95(await load(outageMs / PAIRS)), {
    pairs: PAIRS,
    settle: awaitDelivered,
  })
  // Pusher is refused at once, tried again later, and times out after seconds: who waits for it takes many times as long.
  expect(compared.ratio).toBeLessThan(2)
  const readingBefore = await read(server.url)
  const gone = await link.inject({ kind: 'refuse' })
  const sentBefore = reported
  let readingDuring: Reading
  try {
    link.reset()
    await load(outageMs)
    readingDuring = await read(server.url)
    expect(await waiting(observer)).toBeGreaterThanOrEqual((reported - sentBefore) * 0.9)
  } finally {
    await gone.end()
  }

  expect(readingDuring.queued).toBeLessThanOrEqual(500)
  expect(readingDuring.queuedBytes).toBeLessThan(500 * 10_240)
  expect(readingDuring.residentMiB).toBeLessThan(readingBefore.residentMiB + 64)
  for (const [at, client] of listening.entries()) {
    const caused = Array.from({ length: reported }, (_, n) => n + 1).filter((n) => n % several.length === at).length
    const distinct = (): number => new Set(client.received.map(({ data }) => readStamp(data).stamp?.id)).size
    await expect.poll(distinct, { timeout: 60_000 + outageMs }).toBe(caused)
  }
  await awaitDelivered()
  test.info().annotations.push({
    type: 'outage',
    description:
      `${outageMs / 1_000} s, ${reported - sentBefore} events waited, P95 ${compared.ratio.toFixed(2)} times that with Pusher ` +
      `(${compared.interval.low.toFixed(2)} – ${compared.interval.high.toFixed(2)}), RSS ${readingBefore.residentMiB.toFixed(0)} and ${readingDuring.residentMiB.toFixed(0)} MiB`,
  })
})

test('an outage of ten seconds, and with INTENSITY=full of fifteen minutes, sets no event aside: all arrive afterwards, in their order', async ({
  breakable,
  intensity,
}) => {
  const outageMs = intensity < 1 ? 10_000 : 15 * 60_000
  test.setTimeout(120_000 + 2 * outageMs)
  await using server = await breakable.startServer()
  const [reporter] = reporters(1) as [(typeof several)[number]]
  const client = await breakable.clientOf(server, reporter.username)
  await expect.poll(() => waiting(client), { timeout: 30_000 }).toBe(0)
  await using subscriber = await breakable.subscribe(server, reporter)
  const heard = (): readonly unknown[] => subscriber.received.map(({ data }) => (data as { percent?: unknown }).percent)
  const percents = Array.from({ length: 60 }, (_, n) => n + 1)
  const gone = await breakable.pusherLink.inject({ kind: 'refuse' })
  try {
    breakable.pusherLink.reset()
    for (const percent of percents) {
      const path = `/api/v1/lessons/${reporter.lessonId}/progress`
      expect((await client.put(path, { percent, timeSpentSec: 1 })).status).toBe(200)
      await pause(outageMs / percents.length)
    }
    expect(heard()).toEqual([])
    expect(await waiting(client)).toBe(percents.length)
  } finally {
    await gone.end()
  }
  await expect.poll(heard, { timeout: 60_000 }).toEqual(percents)
  await expect.poll(() => waiting(client)).toBe(0)
})
