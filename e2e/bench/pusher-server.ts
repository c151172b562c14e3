import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BenchmarkReport } from '#measurement/benchmark/benchmark-report.ts'
import { runPairedBenchmark, type BenchmarkOptions } from '#measurement/paired-benchmark.ts'
import {
  createBenchPublisher,
  socketUrlOf,
  startBareSide,
  startPusherSide,
  Subscribers,
  type BroadcastSide,
} from '#fixtures/services/pusher/bench/broadcast-sides.ts'
import { clockMs } from '#fixtures/services/pusher/bench/protocol.ts'
import { startPusherProcess } from '#fixtures/services/pusher/start-pusher-process.ts'

const SUBSCRIBERS = 500
const PAYLOAD_BYTES = 256
/** What there is of sockets: so many are connected, and each hears one of the channels. */
const CROWD = { connections: 10_000, channels: 20, payloadBytes: 256 }
/** 100,000 deliveries a second. */
const CROWD_LOAD = { eventsPerSecond: 200, seconds: 3, rounds: 7 }
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
          case: `resident memory for each of ${CROWD.connections} idle connections, Node itself included`,
          comparedWith: 'a budget',
          unit: 'B',
          target: '<=25000B',
          limitedBy: 'Node itself, and what ws keeps for a connection',
          measure: idleMemory,
        },
        {
          case: `P99 from publishing to arriving, ${CROWD.connections} subscribers, 100,000 deliveries a second`,
          comparedWith: 'a budget of time',
          unit: 'ms',
          target: '<=50ms',
          limitedBy: LIMITED_BY,
          measure: crowdLatency,
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
  await clients.connect(socketUrlOf(server), CROWD.connections)
  // What the handshakes left behind is still being collected.
  await sleep(SETTLE_MS)
  return [residentBytes(server.pid) / CROWD.connections]
}

/** Open loop: an event is published at its time, whatever the server does, and each subscriber of its channel hears it. */
async function crowdLatency(): Promise<number[]> {
  await using server = await startPusherProcess()
  await using clients = new Subscribers()
  const channels = Array.from({ length: CROWD.channels }, (_, index) => `crowd-${index}`)
  await clients.connect(socketUrlOf(server), CROWD.connections, channels)
  await using publisher = createBenchPublisher(server)
  const { eventsPerSecond, seconds, rounds } = CROWD_LOAD
  const events = eventsPerSecond * seconds
  const padding = 'x'.repeat(CROWD.payloadBytes)
  const publishAll = async (): Promise<void> => {
    const sent: Promise<void>[] = []
    const began = clockMs()
    while (sent.length < events) {
      const due = Math.min(events, ((clockMs() - began) * eventsPerSecond) / 1_000)
      while (sent.length < due) {
        const at = began + (sent.length * 1_000) / eventsPerSecond
        sent.push(publisher.send(channels[sent.length % channels.length] ?? '', `${at.toFixed(3)}@${padding}`))
      }
      await sleep(1)
    }
    await Promise.all(sent)
  }
  const p99s: number[] = []
  const deliveries = (events * CROWD.connections) / CROWD.channels
  for (let round = 0; round < rounds; round += 1) p99s.push(await clients.during(deliveries, publishAll))
  return p99s
}

function residentBytes(pid: number): number {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(found?.[1]) * 1_024
}
