import { readdir } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import type { BenchmarkReport } from '#measurement/benchmark/benchmark-report.ts'
import type { BenchmarkOptions } from '#measurement/paired-benchmark.ts'
import { endWithNpm } from '#fixtures/services/process/end-with-npm.ts'

/** What every other module of this folder exports; its file name is the name of the benchmark. */
interface BenchmarkModule {
  readonly runBenchmark: (options: BenchmarkOptions) => Promise<BenchmarkReport>
}

const { values, positionals } = parseArgs({ allowPositionals: true, options: { quick: { type: 'boolean' } } })
const files = await readdir(import.meta.dirname)
const known = files.filter((file) => file.endsWith('.ts') && file !== 'main.ts').map((file) => file.slice(0, -3))
const unknown = positionals.filter((name) => !known.includes(name))

if (unknown.length > 0) {
  console.error(
    `No benchmark is called ${unknown.join(', ')}. There are: ${known.toSorted().join(', ') || 'none yet'}.`,
  )
  process.exitCode = 2
} else {
  await endWithNpm()
  // Quick numbers show that a benchmark runs; they are too few to decide anything close.
  const options: BenchmarkOptions = values.quick === true ? { fours: 8, looks: 1 } : {}
  for (const name of positionals.length > 0 ? positionals : known.toSorted()) {
    const { runBenchmark } = (await import(`./${name}.ts`)) as BenchmarkModule
    const { cases } = await runBenchmark(options)
    if (cases.some(({ met }) => !met)) process.exitCode = 1
  }
}
