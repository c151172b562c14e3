import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import { PROJECT_ROOT } from '#fixtures/command-line/project-root.ts'
import { prepareSeededDatabase, seededSchool } from '#fixtures/data/seed.ts'
import { BENCHMARK_SCHOOL } from '#fixtures/data/school.ts'
import { SchoolIndex } from '#fixtures/data/school-index.ts'
import { endpointCalls, type EndpointCall, type Signed } from '#fixtures/edges/endpoint-calls.ts'
import { ApiClient } from '#fixtures/playwright/api-client.ts'
import { startServerProcess } from '#fixtures/playwright/server-process.ts'
import { startServices } from '#fixtures/services/start-services.ts'
import { describeEnvironment } from '#measurement/report/environment.ts'
import { finiteOrNull } from '#measurement/statistics/finite-or-null.ts'
import { quantileInterval, quantileOf } from '#measurement/statistics/quantile-interval.ts'
import { judgeInterval } from '#measurement/verdict/verdict.ts'
import {
  writeBenchmarkReport,
  type BenchmarkCaseResult,
  type BenchmarkReport,
} from '#measurement/benchmark/benchmark-report.ts'
import type { BenchmarkOptions } from '#measurement/paired-benchmark.ts'
import { createAccessTokens } from '#server/http/access-token.ts'

/** The project's promise for every reply. */
const TARGET = { op: '<', value: 150 } as const
const SLOW_TARGET = { op: '<', value: 500 } as const
const P95 = 0.95
const ALPHA = 0.05
/** Calls before anything counts: statements are prepared, values kept. */
const WARM_UP = 12
/** A slice of one side, then one of the other: a slow moment of the machine is slow for both. */
const SLICE = 10

/** Every endpoint, one request at a time, on two servers that differ in the cache alone, over the benchmark school. */
export async function runBenchmark({ fours = 24, isQuiet = false }: BenchmarkOptions): Promise<BenchmarkReport> {
  await using services = await startServices({ profile: 'measurement' })
  const environment = await environmentOn(services)
  await using cached = await startServerProcess({ environment })
  await using uncached = await startServerProcess({ environment: { ...environment, OPTIMIZE_CACHE: 'off' } })
  const school = new SchoolIndex(seededSchool(BENCHMARK_SCHOOL))
  const tokens = createAccessTokens({ secret: environment.TOKEN_SECRET, ttlSec: 3_600 })
  const signed =
    (url: string): Signed =>
    async (username) => {
      const { id, role } = school.user(username)
      return new ApiClient(url, tokens.issue({ id, role }))
    }

  const cases: BenchmarkCaseResult[] = []
  for (const call of endpointCalls(school)) {
    const [with_, without] = [recorder(call, signed(cached.url)), recorder(call, signed(uncached.url))]
    await with_.run(WARM_UP)
    await without.run(WARM_UP)
    const times = { cached: [] as number[], uncached: [] as number[] }
    const slices = call.isSlow === true ? Math.ceil(fours / 8) : fours
    for (let at = 0; at < slices; at += 1) {
      times.cached.push(...(await with_.run(SLICE)))
      times.uncached.push(...(await without.run(SLICE)))
    }
    cases.push(resultOf(call, times))
    if (!isQuiet) console.log(lineOf(cases.at(-1)))
  }
  const report = { environment: describeEnvironment(PROJECT_ROOT, {}), cases }
  if (!isQuiet) console.log(`${tableOf(cases)}\n${await writeBenchmarkReport('endpoints', report)}`)
  return report
}

async function environmentOn({ postgres, redis, pusher }: Awaited<ReturnType<typeof startServices>>) {
  const databaseUrl = await postgres.databases.create({ name: 'endpoints' })
  await prepareSeededDatabase(databaseUrl, BENCHMARK_SCHOOL)
  const database = new Client(databaseUrl)
  await database.connect()
  // As many attempts as the benchmark makes.
  await database.query('update assessments set max_attempts = 1000000, due_at = null')
  await database.end()
  const [app] = pusher.apps
  if (app === undefined) throw new RangeError('the Pusher server has no app')
  return {
    PORT: '0',
    DATABASE_URL: databaseUrl,
    REDIS_URL: redis.url,
    PUSHER_APP_ID: app.appId,
    PUSHER_KEY: app.key,
    PUSHER_SECRET: app.secret,
    PUSHER_HOST: pusher.address.host,
    PUSHER_PORT: String(pusher.address.port),
    TOKEN_SECRET: randomBytes(32).toString('base64url'),
    RATE_LIMIT_PER_USER: '0',
    RATE_LIMIT_PER_ADDRESS: '0',
    RATE_LIMIT_TRIGGERS_PER_USER: '0',
    RATE_LIMIT_CHANNELS_PER_USER: '0',
  }
}

function recorder(call: EndpointCall, as: Signed) {
  let at = 0
  return {
    /** Milliseconds of each request; what it needs first is not timed. */
    async run(count: number): Promise<number[]> {
      const times: number[] = []
      for (const until = at + count; at < until; at += 1) {
        const send = await call.prepare(as, at)
        const startedAt = performance.now()
        const { status, body } = await send()
        times.push(performance.now() - startedAt)
        if (status >= 300) throw new RangeError(`${call.endpoint} was answered with ${status}: ${JSON.stringify(body)}`)
      }
      return times
    },
  }
}

function resultOf(
  { endpoint, events, isSlow = false }: EndpointCall,
  { cached, uncached }: { readonly cached: readonly number[]; readonly uncached: readonly number[] },
): BenchmarkCaseResult {
  const sorted = Float64Array.from(cached).sort()
  const interval = quantileInterval(sorted, P95, ALPHA, sorted.length)
  const target = isSlow ? SLOW_TARGET : TARGET
  const without = quantileOf(Float64Array.from(uncached).sort(), P95)
  return {
    case: endpoint,
    comparedWith: `without the cache ${without.toFixed(2)} ms`,
    unit: 'ms',
    value: quantileOf(sorted, P95),
    interval: [finiteOrNull(interval.low), finiteOrNull(interval.high)],
    target,
    met: judgeInterval(interval, target).verdict === 'pass',
    limitedBy: events.length === 0 ? '' : `publishes ${events.join(', ')}`,
  }
}

const cells = ({ case: endpoint, comparedWith, value, limitedBy }: BenchmarkCaseResult): readonly string[] => [
  endpoint,
  `${value.toFixed(2)} ms`,
  comparedWith.replace('without the cache ', ''),
  limitedBy.replace('publishes ', '') || '–',
]

const lineOf = (result: BenchmarkCaseResult | undefined): string =>
  result === undefined ? '' : cells(result).join('  ')

/** In Markdown, as it goes into a report. */
function tableOf(cases: readonly BenchmarkCaseResult[]): string {
  const rows = [
    ['endpoint', 'P95 cached', 'P95 uncached', 'events'],
    ['---', '---:', '---:', '---'],
    ...cases.map(cells),
  ]
  return rows.map((row) => `| ${row.join(' | ')} |`).join('\n')
}
