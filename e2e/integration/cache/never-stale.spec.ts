import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { randomInteger, seededRandom } from '#optimizations/kernel/random.ts'
import { CacheWorker } from '#fixtures/doubles/cache-worker.ts'
import { READS_PER_SCHEDULE, StaleReadHunt } from '#fixtures/doubles/stale-read-hunt.ts'
import { expect, test } from '#fixtures/test.ts'

const SCHEDULES = 1_000
const AT_ONCE = 10

/** Commands of a busy test machine may be slow; a timeout would only make an invalidation count less. */
const PATIENT = { commandTimeoutMs: 5_000 }

type Disturb = (hunt: StaleReadHunt, start: () => Promise<CacheWorker>) => Promise<void>

interface HuntPlan {
  readonly url: string
  readonly seed: number
  readonly schedules: number
  readonly processes?: number
  readonly memoryLeaseMs?: number
  /** Done again and again while the schedules run. */
  readonly disturb?: Disturb
}

/** Runs the schedules, some at a time, over several processes. */
async function runHunt(plan: HuntPlan): Promise<StaleReadHunt> {
  const { url, seed, schedules, processes = 2, memoryLeaseMs, disturb } = plan
  const hunt = new StaleReadHunt(seed)
  const options = { url, namespace: `hunt-${randomUUID()}`, ...PATIENT, memoryLeaseMs }
  const start = (): Promise<CacheWorker> => CacheWorker.start(options, hunt.database)
  // A server that was started again knows no script.
  const server = new Redis(url)
  await server.script('FLUSH')
  server.disconnect()
  hunt.workers.push(...(await Promise.all(Array.from({ length: processes }, start))))
  const seeds = Array.from({ length: schedules }, (_, index) => seed + index)
  const lane = async (): Promise<void> => {
    for (let mine = seeds.shift(); mine !== undefined; mine = seeds.shift()) await hunt.run(mine)
  }
  const disturber = async (): Promise<void> => {
    while (seeds.length > 0) await disturb?.(hunt, start)
  }
  try {
    const lanes = Array.from({ length: AT_ONCE }, lane)
    await Promise.all([...lanes, ...(disturb === undefined ? [] : [disturber()])])
  } finally {
    await Promise.all(hunt.workers.map((worker) => worker.kill()))
  }
  const { staleReads, ...counts } = hunt.totals
  const description = `seeds ${seed} to ${seed + schedules - 1}: ${JSON.stringify({ stale: staleReads.length, ...counts })}`
  test.info().annotations.push({ type: 'hunt', description })
  return hunt
}

test('after an acknowledged invalidation no reader of either process sees an older value', async ({
  redis,
  intensity,
  seed,
}) => {
  test.setTimeout(300_000)
  const schedules = SCHEDULES * intensity
  const { totals } = await runHunt({ url: redis.url, seed, schedules })
  expect(totals.staleReads).toEqual([])
  expect(totals).toMatchObject({ interrupted: 0, unacknowledged: 0 })
  expect(totals.reads).toBe(schedules * READS_PER_SCHEDULE)
})

test('nor does one while processes are killed and others take their place', async ({ redis, intensity, seed }) => {
  test.setTimeout(300_000)
  const random = seededRandom(seed)
  const disturb: Disturb = async (hunt, start) => {
    await sleep(100 + random() * 200)
    const victim = randomInteger(random, hunt.workers.length)
    const [killed] = hunt.workers.splice(victim, 1, await start())
    await killed?.kill()
  }
  const { totals } = await runHunt({ url: redis.url, seed: seed + 10_000, schedules: 300 * intensity, disturb })
  expect(totals.staleReads).toEqual([])
  expect(totals.interrupted).toBeGreaterThan(0)
  expect(totals.acknowledged).toBeGreaterThan(0)
})

test('nor does one while processes are stopped, for less and for more than their lease, and go on', async ({
  redis,
  intensity,
  seed,
}) => {
  test.setTimeout(300_000)
  const random = seededRandom(seed)
  const disturb: Disturb = async ({ workers }) => {
    await sleep(50 + random() * 100)
    const frozen = workers[randomInteger(random, workers.length)]
    frozen?.freeze()
    // Mostly for less than a lease: then memory may still be served when the process goes on.
    await sleep(random() < 0.7 ? 20 + random() * 300 : 1_000 + random() * 700)
    frozen?.thaw()
  }
  const { totals } = await runHunt({ url: redis.url, seed: seed + 20_000, schedules: 300 * intensity, disturb })
  expect(totals.staleReads).toEqual([])
  expect(totals.interrupted).toBe(0)
})

test('nor does one where the right to serve from memory is so short that it runs out again and again', async ({
  redis,
  intensity,
  seed,
}) => {
  test.setTimeout(300_000)
  const plan = { url: redis.url, seed: seed + 40_000, schedules: 300 * intensity, memoryLeaseMs: 40 }
  const { totals } = await runHunt(plan)
  expect(totals.staleReads).toEqual([])
  expect(totals).toMatchObject({ interrupted: 0, unacknowledged: 0 })
})

test('nor does one while the connections that invalidations arrive on are cut', async ({ redis, intensity, seed }) => {
  test.setTimeout(300_000)
  const random = seededRandom(seed)
  const killer = new Redis(redis.url)
  const disturb: Disturb = async () => {
    await sleep(20 + random() * 200)
    await killer.client('KILL', 'TYPE', 'PUBSUB')
  }
  const { totals } = await runHunt({ url: redis.url, seed: seed + 30_000, schedules: 300 * intensity, disturb })
  killer.disconnect()
  expect(totals.staleReads).toEqual([])
  expect(totals).toMatchObject({ interrupted: 0, unacknowledged: 0 })
})
