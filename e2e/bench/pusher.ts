import { setTimeout as sleep } from 'node:timers/promises'
import type Pusher from 'pusher'
import { Pool } from 'undici'
import type { BenchmarkReport } from '#measurement/benchmark/benchmark-report.ts'
import { runPairedBenchmark, type BenchmarkOptions } from '#measurement/paired-benchmark.ts'
import { startPusherAudience } from '#fixtures/doubles/pusher-audience.ts'
import { startPusherProcess } from '#fixtures/services/pusher/start-pusher-process.ts'
import type { Publisher } from '#optimizations/pusher/publisher.ts'
import { apiOrigin, createPusherLibrary, type PusherApp } from '#optimizations/pusher/pusher-app.ts'
import { startPublisher } from '#optimizations/pusher/start-publisher.ts'

const PUBLISHERS = 32
const CONNECTIONS = 5
const BATCH = 10
const SLICE_MS = 100
const SATURATION = { rounds: 7, events: 20_000 }
const LIVE = { rounds: 8, ratePerSecond: 500, seconds: 2, channels: 10, listenersPerChannel: 5 }

const data = { lessonId: 42, percent: 80, text: 'x'.repeat(200) }

/** Our publisher against the official library, and against the least that sending events can cost. */
export async function runBenchmark(options: BenchmarkOptions): Promise<BenchmarkReport> {
  await using server = await startPusherProcess()
  const app: PusherApp = { ...server.app, host: server.host, port: server.port }
  // No limit on events a second: what is compared is the sending.
  await using publisher = await startPublisher({ app, callsPerSecond: 10_000_000 })
  const library = createPusherLibrary(app)
  await using bare = createBareClient(app, library)

  const publishing = {
    run: (events: number) =>
      share(events, PUBLISHERS, async (worker) => {
        const receipt = await publisher.publish(`channel-${worker}`, 'updated', data)
        await receipt.settled
      }),
  }
  const triggering = {
    run: (events: number) =>
      share(events, PUBLISHERS, async (worker) => {
        const answer = await library.trigger(`channel-${worker}`, 'updated', data)
        await answer.text()
      }),
  }
  const batching = { run: (events: number) => share(Math.ceil(events / BATCH), CONNECTIONS, bare.sendBatch) }
  const atOnce = `${PUBLISHERS} concurrent publishers`
  const cpuBound = 'one core: JSON, the signature and the write to the socket'

  return await runPairedBenchmark(
    {
      name: 'pusher',
      cases: [
        {
          case: `${atOnce}, events a second`,
          comparedWith: 'pusher.trigger for each event',
          metric: 'wall',
          target: '>=5x',
          subject: publishing,
          reference: triggering,
          limitedBy: cpuBound,
        },
        {
          case: `${atOnce}, events a second`,
          comparedWith: 'a bare undici loop: ten events at hand, encoded, signed, sent',
          metric: 'wall',
          target: '>=0.75x',
          subject: publishing,
          reference: batching,
          limitedBy: 'promises, order and counting for each event',
        },
        {
          case: 'one publish on an idle system, until the answer',
          comparedWith: 'one signed undici request',
          metric: 'wall',
          ratio: 'cost',
          target: '<=1.15x',
          subject: { run: (events) => share(events, 1, publishAndWait(publisher)) },
          reference: { run: (events) => share(events, 1, bare.sendOne) },
          limitedBy: 'the round trip',
        },
        {
          case: 'publish() and its part of the sending, CPU of an event',
          comparedWith: 'pusher.trigger',
          metric: 'cpu',
          target: '>=5x',
          subject: publishing,
          reference: triggering,
          limitedBy: cpuBound,
        },
        {
          case: 'requests for an event at saturation',
          comparedWith: 'a tenth is the least that the API allows',
          unit: 'requests',
          target: '<=0.12',
          limitedBy: 'ten events in a batch',
          measure: () => saturate(publisher, publishing.run),
        },
        ...(await liveCases(app)),
      ],
    },
    { ...options, sliceMs: SLICE_MS },
  )
}

/** `tasks` calls of `work` by so many workers at a time. */
async function share(tasks: number, workers: number, work: (worker: number) => Promise<void>): Promise<void> {
  let left = tasks
  await Promise.all(
    Array.from({ length: workers }, async (_, worker) => {
      while (left > 0) {
        left -= 1
        await work(worker)
      }
    }),
  )
}

function publishAndWait(publisher: Publisher): () => Promise<void> {
  return async () => {
    const receipt = await publisher.publish('idle', 'updated', data)
    await receipt.settled
  }
}

/** What is left when everything but the requests is taken away. */
function createBareClient(app: PusherApp, library: Pusher) {
  const pool = new Pool(apiOrigin(app), { connections: CONNECTIONS, pipelining: 1 })
  const post = async (endpoint: string, body: string): Promise<void> => {
    const path = `/apps/${app.appId}/${endpoint}`
    const query = library.createSignedQueryString({ method: 'POST', path, body })
    const headers = { 'content-type': 'application/json' }
    const answer = await pool.request({ method: 'POST', path: `${path}?${query}`, body, headers })
    await answer.body.text()
  }
  return {
    sendOne: () => post('events', JSON.stringify({ name: 'updated', channels: ['idle'], data: JSON.stringify(data) })),
    sendBatch: (worker: number) => {
      const event = (index: number): object => ({
        channel: `channel-${worker * BATCH + index}`,
        name: 'updated',
        data: JSON.stringify(data),
      })
      return post('batch_events', JSON.stringify({ batch: Array.from({ length: BATCH }, (_, index) => event(index)) }))
    },
    [Symbol.asyncDispose]: () => pool.close(),
  }
}

async function saturate(publisher: Publisher, run: (events: number) => Promise<void>): Promise<number[]> {
  const samples: number[] = []
  for (let round = 0; round < SATURATION.rounds; round += 1) {
    const before = publisher.stats()
    await run(SATURATION.events)
    const after = publisher.stats()
    samples.push((after.requests - before.requests) / (after.eventsSent - before.eventsSent))
  }
  return samples
}

/** Latencies from the moment at which an event was due, whatever held it up; a round for each sample. */
async function liveCases(app: PusherApp) {
  const { rounds, ratePerSecond, seconds, channels, listenersPerChannel } = LIVE
  const names = Array.from({ length: channels }, (_, index) => `live-${index}`)
  const p95s: number[] = []
  const reaches: number[] = []
  await using publisher = await startPublisher({ app, callsPerSecond: 2 * ratePerSecond })
  const { key, host = '', port = 0 } = app
  await using audience = await startPusherAudience({
    pusher: { key, host, port },
    channels: names,
    listenersPerChannel,
  })
  const total = ratePerSecond * seconds
  // The first round is for warming up.
  for (let round = 0; round <= rounds; round += 1) {
    await publishOnSchedule(publisher, names, total)
    const latencies = await takeAll(() => audience.takeLatencies(), total * listenersPerChannel)
    if (round === 0) continue
    p95s.push(latencies.toSorted((a, b) => a - b)[Math.ceil(latencies.length * 0.95) - 1] ?? Infinity)
    reaches.push(latencies.length / (total * listenersPerChannel))
  }
  const audienceSize = channels * listenersPerChannel
  const what = `${ratePerSecond} events/s, ${audienceSize} subscribers in another process, ${listenersPerChannel} to an event`
  return [
    {
      case: `publish to callback, p95, ${what}`,
      comparedWith: 'a budget',
      unit: 'ms',
      target: '<=50ms',
      limitedBy: 'three processes on the same cores',
      measure: () => p95s,
    },
    {
      case: `reach, ${what}`,
      comparedWith: 'every subscriber, every event',
      unit: 'share',
      target: '>=100%',
      measure: () => reaches,
    },
  ]
}

/** Open loop: an event is due at its time, whether the ones before it have gone out or not. */
async function publishOnSchedule(publisher: Publisher, channels: readonly string[], total: number): Promise<void> {
  const startNs = process.hrtime.bigint()
  const stepNs = BigInt(Math.round(1e9 / LIVE.ratePerSecond))
  for (let n = 0; n < total; n += 1) {
    const dueNs = startNs + BigInt(n) * stepNs
    while (process.hrtime.bigint() < dueNs) await sleep(1)
    await publisher.publish(channels[n % channels.length] ?? '', 'timed', { ...data, sentNs: String(dueNs) })
  }
}

/** What is missing after a second of silence does not come any more. */
async function takeAll(take: () => Promise<readonly number[]>, expected: number): Promise<number[]> {
  const taken: number[] = []
  for (let silent = 0; silent < 10 && taken.length < expected;) {
    await sleep(100)
    const fresh = await take()
    silent = fresh.length === 0 ? silent + 1 : 0
    taken.push(...fresh)
  }
  return taken
}
