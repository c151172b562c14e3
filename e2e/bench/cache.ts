import { Registry } from 'prom-client'
import type { BenchmarkReport } from '#measurement/benchmark/benchmark-report.ts'
import { runPairedBenchmark, type BenchmarkOptions } from '#measurement/paired-benchmark.ts'
import { deletePatternGaps, foreignWriteDelays, outageDelays } from '#fixtures/services/redis/bench/cache-probes.ts'
import type { Cache } from '#optimizations/cache/cache.ts'
import {
  batch,
  CacheBench,
  cacheRead,
  cacheReadMany,
  concurrently,
  mapRead,
  page,
  rawRead,
  rawReadMany,
  row,
  sequentially,
  type StoredValues,
} from '#fixtures/services/redis/bench/cache-sides.ts'
import { comparePeers, type PeerReads, type PeerWork } from '#fixtures/services/redis/bench/compare-peers.ts'
import { PEERS } from './peers/peers.ts'

const RAW = 'raw ioredis GET + JSON.parse'

/** The cache against what limits it: a Map in memory, the bare client on Redis. */
export async function runBenchmark(options: BenchmarkOptions): Promise<BenchmarkReport> {
  await using bench = await CacheBench.start()
  const memory = await bench.cache({}, { registry: new Registry() })
  const silent = await bench.cache({ statistics: false })
  // Without memory every hit is one on Redis.
  const redis = await bench.cache({ memoryMaxBytes: 0 })
  const pages = await bench.store(redis, 'page', page)
  const pageBytes = redis.stats().bytesWritten
  const rows = await bench.store(redis, 'row', row)
  const hot = { ...pages, keys: pages.keys.slice(0, 1), rawKeys: pages.rawKeys.slice(0, 1) }
  for (const cache of [memory, silent]) await cache.getMany(pages.keys)
  const report = await runPairedBenchmark(
    {
      name: 'cache',
      cases: [
        {
          case: 'hot memory hit, 9 KB',
          comparedWith: 'Map.get in an async function',
          target: '>=0.8x',
          limitedBy: 'the list of the least recently used, and one reading of the clock in each turn',
          subject: sequentially(cacheRead(memory, pages)),
          reference: sequentially(mapRead(pages)),
        },
        {
          case: 'Redis hit, distinct keys, 9 KB, concurrency 64',
          comparedWith: RAW,
          target: '>=1.4x',
          limitedBy: 'decompressing and decoding the value',
          subject: concurrently(cacheRead(redis, pages)),
          reference: concurrently(rawRead(bench, pages)),
        },
        {
          case: 'bytes in Redis, 9 KB',
          comparedWith: 'JSON',
          unit: 'share',
          target: '<=35%',
          limitedBy: 'how much of the values repeats',
          measure: () => [pageBytes / pages.jsonBytes],
        },
        {
          case: 'Redis hit, 143 B, concurrency 64',
          comparedWith: RAW,
          target: '>=2x',
          limitedBy: 'promises and the decoding of many small values',
          subject: concurrently(cacheRead(redis, rows)),
          reference: concurrently(rawRead(bench, rows)),
        },
        {
          case: 'Redis hit, one key, concurrency 64',
          comparedWith: RAW,
          target: '>=30x',
          limitedBy: 'one read of Redis for all 64',
          subject: concurrently(cacheRead(redis, hot)),
          reference: concurrently(rawRead(bench, hot)),
        },
        {
          case: 'getMany of 50 x 9 KB',
          comparedWith: 'raw MGET + JSON.parse',
          target: '>=0.9x',
          limitedBy: 'decompressing and decoding the values',
          subject: sequentially(cacheReadMany(redis, pages)),
          reference: sequentially(rawReadMany(bench, pages)),
        },
        {
          case: 'hot memory hit with all statistics',
          comparedWith: 'the same with none',
          target: '>=0.95x',
          limitedBy: 'one counter for each hit, two readings of the clock for one in 1,024',
          subject: sequentially(cacheRead(memory, pages)),
          reference: sequentially(cacheRead(silent, pages)),
        },
        {
          case: "another client's SET to memory dropped, p99",
          comparedWith: 'a budget',
          unit: 'ms',
          target: '<=5ms',
          limitedBy: 'the event loop that the invalidation arrives on',
          measure: () => foreignWriteDelays(bench, memory),
        },
        {
          case: 'deletePattern over 100,000 keys, longest gap of the event loop',
          comparedWith: 'a budget',
          unit: 'ms',
          target: '<=20ms',
          limitedBy: 'the names of one step of SCAN',
          measure: () => deletePatternGaps(bench, memory),
        },
        {
          case: 'read while Redis is cut off, p99 beyond the loader',
          comparedWith: 'a budget',
          unit: 'ms',
          target: '<=50ms',
          limitedBy: 'the event loop',
          measure: async () => {
            const cutOff = await bench.cache({ url: 'redis://127.0.0.1:1/0' })
            return await outageDelays(cutOff)
          },
        },
      ],
    },
    options,
  )
  if (options.isQuiet !== true)
    await comparePeers(PEERS, peerWorks(bench, { memory, redis, pages, rows, hot }), bench.url)
  return report
}

interface Sides {
  readonly memory: Cache
  readonly redis: Cache
  readonly pages: StoredValues
  readonly rows: StoredValues
  readonly hot: StoredValues
}

/** The cases that other caches know as well. */
function peerWorks(bench: CacheBench, { memory, redis, pages, rows, hot }: Sides): readonly PeerWork[] {
  const peerRead =
    (reads: PeerReads, { rawKeys }: StoredValues) =>
    (index: number) =>
      reads.get(rawKeys[index % rawKeys.length]!)
  const onRedis = (name: string, values: StoredValues, valueOf: (index: number) => unknown): PeerWork => ({
    name,
    tier: 'redis',
    ours: concurrently(cacheRead(redis, values)),
    reference: concurrently(rawRead(bench, values)),
    keys: values.rawKeys,
    valueOf,
    peer: (reads) => concurrently(peerRead(reads, values)),
  })
  const many = onRedis('getMany of 50 x 9 KB', pages, page)
  return [
    {
      ...onRedis('hot memory hit, 9 KB', pages, page),
      tier: 'memory',
      ours: sequentially(cacheRead(memory, pages)),
      reference: sequentially(mapRead(pages)),
      peer: (reads) => sequentially(peerRead(reads, pages)),
    },
    onRedis('Redis hit, distinct keys, 9 KB', pages, page),
    onRedis('Redis hit, 143 B', rows, row),
    onRedis('Redis hit, one key', hot, page),
    {
      ...many,
      ours: sequentially(cacheReadMany(redis, pages)),
      reference: sequentially(rawReadMany(bench, pages)),
      peer: ({ getMany }) => getMany && sequentially((index) => getMany(batch(pages.rawKeys, index))),
    },
  ]
}
