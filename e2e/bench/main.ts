/** `npm run bench`. */
import { readdir } from 'node:fs/promises'
import type { Command } from '#fixtures/command-line/command.ts'
import { readCommandLine, refuse } from '#fixtures/command-line/read-command-line.ts'
import { endWithNpm } from '#fixtures/services/process/end-with-npm.ts'
import type { BenchmarkReport } from '#measurement/benchmark/benchmark-report.ts'
import type { BenchmarkOptions } from '#measurement/paired-benchmark.ts'

/** What every other module of this folder exports; its file name is the name of the benchmark. */
interface BenchmarkModule {
  readonly runBenchmark: (options: BenchmarkOptions) => Promise<BenchmarkReport>
}

const files = await readdir(import.meta.dirname)
const known = files.filter((file) => file.endsWith('.ts') && file !== 'main.ts').map((file) => file.slice(0, -3))
const names = known.toSorted()

const COMMAND: Command<'quick'> = {
  name: 'npm run bench',
  synopsis: '[-- [--quick] NAME …]',
  purpose:
    'Compares parts of the product with what limits them, side by side in one run. Writes reports/bench/NAME.json.',
  words: { NAME: `${names.join(', ')}; without a name all of them` },
  options: {
    quick: { type: 'boolean', meaning: 'few samples: shows that a benchmark runs, and decides nothing close' },
  },
  examples: { 'npm run bench': 'all', 'npm run bench -- cache': 'one' },
  exitCodes: {
    0: 'every target is met',
    1: 'a target is missed or undecided, or a benchmark measured nothing or broke',
    2: 'misuse',
  },
}

const { values, words } = readCommandLine(COMMAND)
const unknown = words.find((name) => !names.includes(name))
if (unknown !== undefined) refuse(COMMAND, `no benchmark is called '${unknown}'`)

await endWithNpm()
const options: BenchmarkOptions = values.quick === true ? { fours: 8, looks: 1 } : {}
for (const name of words.length > 0 ? words : names) {
  const { runBenchmark } = (await import(`./${name}.ts`)) as BenchmarkModule
  const { cases } = await runBenchmark(options)
  if (cases.length === 0) console.error(`npm run bench: ${name} has measured nothing`)
  if (cases.length === 0 || cases.some(({ met }) => !met)) process.exitCode = 1
}
