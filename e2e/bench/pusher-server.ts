import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BenchmarkReport } from '#measurement/benchmark/benchmark-report.ts'
import { runPairedBenchmark, type BenchmarkOptions } from '#measurement/paired-benchmark.ts'
import {
  startBareSide,
  startPusherSide,
  Subscribers,
  type BroadcastSide,
} from '#fixtures/services/pusher/bench/broadcast-sides.ts'
import { startPusherProcess } from '#fixtures/services/pusher/start-pusher-process.ts'

const SUBSCRIBERS = 500
const PAYLOAD_BYTES = 256
const IDLE_CONNECTIONS = 5_000
/** A slice of some broadcasts: one alone takes longer than the usual slice. */
const SLICE_MS = 200
const SAMPLES = 15
const EVENTS_IN_A_SAMPLE = 40
const SETTLE_MS = 2_000
/** Events on their way to the server at once, as of a busy publisher. */
const BUSY = 4
const LIMITED_BY = 'one write to the kernel for each socket, and the subscribers on the same cores'

/** The embedded Pusher server against the least that a WebSocket server on `ws` can do. */
export async function runBenchmark(options: BenchmarkOptions): Promise<BenchmarkReport> {
  const broadcast = { subscribers: SUBSCRIBERS, payloadBytes: PAYLOAD_BYTES }
  await using pusher = await startPusherSide(broadcast)
  await using bare = await startBareSide(broadcast)
  const pair = (inFlight: number, metric: 'cpu' | 'wall') => ({
    case: `deliveries to ${SUBSCRIBERS} subscribers, ${PAYLOAD_BYTES} B, ${inFlight} published at once, ${metric} time`,
    comparedWith: 'a bare ws server: client.send(text) for all clients',
    target: '>=0.8x',
    metric,
    subject: { ...pusher, run: (events: number) => pusher.run(events, inFlight) },
    reference: { ...bare, run: (events: number) => bare.run(events, inFlight) },
    limitedBy: LIMITED_BY,
  })
  return await runPairedBenchmark(
    {
      name: 'pusher-server',
      services: { pusher: { provider: 'embedded', version: pusher.version } },
      cases: [
        // One at a time: a write for each socket and event, for both. Several: those of a turn go out in one write.
        pair(1, 'cpu'),
        pair(BUSY, 'cpu'),
        pair(BUSY, 'wall'),
        {
          case: `deliveries a second, ${SUBSCRIBERS} subscribers, ${PAYLOAD_BYTES} B, published over HTTP`,
          comparedWith: 'a rate',
          unit: '/s',
          target: '>=25000/s',
          limitedBy: LIMITED_BY,
          measure: () => deliveryRates(pusher),
        },
        {
          case: `memory with ${IDLE_CONNECTIONS} idle connections`,
          comparedWith: 'a budget of resident memory',
          unit: 'B',
          target: '<=150000000B',
          limitedBy: 'Node itself, and what ws and the kernel socket keep for a connection',
          measure: idleMemory,
        },
      ],
    },
    { ...options, sliceMs: SLICE_MS },
  )
}

async function deliveryRates(side: BroadcastSide): Promise<number[]> {
  const rates: number[] = []
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    const startedAt = performance.now()
    await side.run(EVENTS_IN_A_SAMPLE, BUSY)
    rates.push((EVENTS_IN_A_SAMPLE * SUBSCRIBERS * 1_000) / (performance.now() - startedAt))
  }
  return rates
}

async function idleMemory(): Promise<number[]> {
  await using server = await startPusherProcess()
  await using clients = new Subscribers()
  await clients.connect(`ws://${server.host}:${server.port}/app/${server.app.key}?protocol=7`, IDLE_CONNECTIONS)
  // What the handshakes left behind is still being collected.
  await sleep(SETTLE_MS)
  return [residentBytes(server.pid)]
}

function residentBytes(pid: number): number {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(found?.[1]) * 1_024
}
