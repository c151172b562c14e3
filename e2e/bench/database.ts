import type { BenchmarkReport } from '#measurement/benchmark/benchmark-report.ts'
import type { BenchmarkSide } from '#measurement/benchmark/paired-slices.ts'
import { runPairedBenchmark, type BenchmarkOptions } from '#measurement/paired-benchmark.ts'
import { RequestContext } from '#optimizations/database/request-context.ts'
import { StatementCall } from '#optimizations/database/statements/statement-call.ts'
import { randomInteger, seededRandom } from '#optimizations/kernel/random.ts'
import { Author } from '#fixtures/data/library.ts'
import { AUTHORS, joinSql, startLibraryBench, type LibraryBench } from '#fixtures/data/library-bench.ts'

type Work = () => Promise<unknown>

/** So many at once, each taking the next as soon as it is done. */
function concurrently(width: number, work: Work): BenchmarkSide {
  return {
    run: async (iterations) => {
      let left = iterations
      const worker = async (): Promise<void> => {
        while (left-- > 0) await work()
      }
      await Promise.all(Array.from({ length: width }, worker))
    },
  }
}

const RAW = 'a named statement on a bare pg pool'
const STOCK_FIND = 'em.findOne of stock MikroORM'
const STOCK_HIT = "a hit in MikroORM's own result cache"
const HOT_KEYS = 10

/** The database against what limits it, the bare driver, and against what it replaces, MikroORM as it comes. */
export async function runBenchmark(options: BenchmarkOptions): Promise<BenchmarkReport> {
  await using bench = await startLibraryBench()
  const random = seededRandom(options.seed ?? 1)
  const any = (): number => 1 + randomInteger(random, AUTHORS)
  const hot = (): number => 1 + randomInteger(random, HOT_KEYS)
  const works = await warmedWorks(bench, any)
  const found = (key: () => number) => ({
    subject: concurrently(32, () => bench.optimized.findByPrimaryKey(bench.optimized.fork(), Author, key())),
    reference: concurrently(32, () => bench.stock.fork().findOne(Author, key())),
    metric: 'wall' as const,
    comparedWith: STOCK_FIND,
  })
  const joins = (width: number) => ({
    subject: concurrently(width, works.ormJoin),
    reference: concurrently(width, works.rawJoin),
    metric: 'wall' as const,
    comparedWith: RAW,
    limitedBy: 'the server, which runs the join either way',
  })
  return await runPairedBenchmark(
    {
      name: 'database',
      cases: [
        { case: 'ORM execute, join of 4 tables, concurrency 1', target: '>=0.8x', ...joins(1) },
        { case: 'ORM execute, join of 4 tables, concurrency 32', target: '>=0.85x', ...joins(32) },
        { case: 'find by primary key, distinct keys, concurrency 32', target: '>=5x', ...found(any) },
        { case: 'find by primary key, 10 hot keys, concurrency 32', target: '>=8x', ...found(hot) },
        {
          case: 'cached hit, a reading function',
          comparedWith: STOCK_HIT,
          target: '>=1.5x',
          subject: concurrently(1, works.memo),
          reference: concurrently(1, works.stockHit),
        },
        {
          case: 'cached hit, rows',
          comparedWith: STOCK_HIT,
          target: '>=1.5x',
          limitedBy: 'the key, which holds the whole text and every parameter',
          subject: concurrently(1, works.rowsHit),
          reference: concurrently(1, works.stockHit),
        },
        {
          case: 'acquire and release, with metrics and leak tracking',
          comparedWith: 'pg-pool, which measures and tracks nothing',
          target: '>=1x',
          subject: concurrently(1, works.loan),
          reference: concurrently(1, async () => (await bench.raw.connect()).release()),
        },
        {
          case: 'pipelined lanes, 4 connections, concurrency 32',
          comparedWith: 'named statements on a pg pool of 20 connections',
          limitedBy: 'the server, whose processes share the cores with the caller',
          target: '>=1.4x',
          metric: 'wall',
          subject: concurrently(32, () => works.laneRead(any())),
          reference: concurrently(32, () => works.rawRead(any())),
        },
        {
          case: 'fingerprint and statistics of one query',
          comparedWith: 'a budget',
          unit: 'ms',
          target: '<=3us',
          measure: () => statisticsCosts(bench),
        },
      ],
    },
    options,
  )
}

const READ = 'select id, name, email, rating, born, active from authors where id = $1'

/** Everything that is compared, run often enough that the statements are prepared and the results kept. */
async function warmedWorks(bench: LibraryBench, any: () => number) {
  const { optimized, withLanes, stock, raw } = bench
  const text = joinSql('$1', '$2')
  const template = joinSql('?', '?')
  const connection = optimized.orm.em.getConnection()
  const cache = { ttlMs: 3_600_000 }
  const memo = optimized.cachedQuery((em, id: number) => em.execute('select * from authors where id = ?', [id]), {
    name: 'author',
  })
  withLanes.statements.register('author', READ)
  const { pool } = optimized.engine
  const works = {
    ormJoin: () => connection.execute(template, [any(), 0]),
    rawJoin: () => raw.query({ name: 'join', text, values: [any(), 0] }),
    stockHit: () => stock.fork().findOne(Author, 7, { cache: 3_600_000 }),
    rowsHit: () => optimized.query('select id, name, email from authors where id = $1', [7], { cache }),
    memo: () => memo(7),
    laneRead: (id: number) => withLanes.statements.execute('author', [id]),
    loan: async () => pool.release(await pool.acquire({ watched: pool.watch() })),
    rawRead: (id: number) => raw.query({ name: 'read', text: READ, values: [id] }),
  }
  for (let round = 0; round < 20; round += 1) {
    await Promise.all([works.ormJoin(), works.rawJoin(), works.stockHit(), works.rowsHit(), works.memo()])
    await Promise.all([works.laneRead(any()), works.rawRead(any())])
    await bench.idle()
  }
  return works
}

/** What the way of a query pays for being known and counted: the look-up of its text and the record of its end. */
function statisticsCosts({ optimized: { engine } }: LibraryBench): number[] {
  const sql = 'select * from authors where id = $1'
  const context = new RequestContext({ requestId: 'bench' })
  const prepared = engine.statements.ofText(sql, [1], true)
  const call = new StatementCall(prepared.statement, prepared, context)
  const answer = { command: 'SELECT', rowCount: 1, rows: [], fields: [] }
  const once = (): void => {
    const analysis = engine.statements.analyze(sql)
    engine.repeated.count(context, analysis)
    engine.statistics.executed({ call, executeMs: 0.5, serviceMs: 0.5, answer, error: null, notices: [] })
  }
  return Array.from({ length: 40 }, () => {
    const iterations = 20_000
    const startedAt = performance.now()
    for (let n = 0; n < iterations; n += 1) once()
    return (performance.now() - startedAt) / iterations
  })
}
