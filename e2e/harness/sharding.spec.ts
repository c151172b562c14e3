import { execFile } from 'node:child_process'
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from '@playwright/test'
import { summarySchema, type Summary } from '#measurement/measurement.ts'

const run = promisify(execFile)
const PROJECT = path.resolve(import.meta.dirname, '../..')
const PLAYWRIGHT = path.join(PROJECT, 'node_modules/@playwright/test/cli.js')
const REPORTER = path.join(PROJECT, 'fixtures/measurement/report/measurement-reporter.ts')

/** Three tests, each of which measures a part of the same run. */
const SPEC = `
import { test } from '@playwright/test'
import { createSyntheticRun } from '#measurement/lab/synthetic-run.ts'
import { recordRun } from '#measurement/record.ts'
import { seededRandom } from '#measurement/random.ts'

for (const part of [1, 2, 3]) {
  test('part ' + part, async () => {
    const random = seededRandom(part)
    const blocks = [1, 2].map(() => Array.from({ length: 300 }, () => 10 + 20 * random()))
    const targets = { p95: '<150ms', errors: '<1%' }
    await recordRun(test.info(), createSyntheticRun({ blocks }), { id: 'http.mix', title: 'HTTP mix', targets })
  })
}
`

async function playwright(directory: string, words: readonly string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [PLAYWRIGHT, ...words], { cwd: directory })
  return stdout
}

async function prepare(): Promise<string> {
  const directory = test.info().outputPath('inner')
  await mkdir(directory, { recursive: true })
  const config = (reporter: string): string =>
    `export default { testDir: '.', fullyParallel: true, workers: 1, outputDir: 'out', reporter: ${reporter} }`
  const measuring = (name: string): string =>
    `[['list'], [${JSON.stringify(REPORTER)}, { outputDir: '${name}/latest' }]]`
  await writeFile(path.join(directory, 'parts.spec.ts'), SPEC)
  await writeFile(path.join(directory, 'whole.config.ts'), config(measuring('whole')))
  await writeFile(path.join(directory, 'shard.config.ts'), config(`[['blob', { outputDir: 'blobs' }]]`))
  await writeFile(path.join(directory, 'merged.config.ts'), config(measuring('merged')))
  return directory
}

async function readSummary(directory: string, name: string): Promise<Summary> {
  const text = await readFile(path.join(directory, name, 'latest/summary.json'), 'utf8')
  return summarySchema.parse(JSON.parse(text))
}

test('shards that are merged give the numbers of one run', async () => {
  const directory = await prepare()
  const printed = await playwright(directory, ['test', '-c', 'whole.config.ts'])
  for (const shard of ['1/3', '2/3', '3/3']) {
    // Each shard clears the directory of blobs before it writes its own.
    await playwright(directory, ['test', '-c', 'shard.config.ts', `--shard=${shard}`])
    await cp(path.join(directory, 'blobs'), path.join(directory, 'all-blobs'), { recursive: true })
  }
  await playwright(directory, ['merge-reports', '-c', 'merged.config.ts', 'all-blobs'])

  const whole = await readSummary(directory, 'whole')
  const merged = await readSummary(directory, 'merged')
  expect(whole.measurements.map(({ id, n }) => [id, n])).toEqual([
    ['http.mix.latency.p95', 1_800],
    ['http.mix.errors', 1_800],
  ])
  const numbersOf = ({ measurements }: Summary) =>
    measurements.map(({ recordedAt: _at, origins: _origins, ...rest }) => rest)
  expect(numbersOf(merged)).toEqual(numbersOf(whole))
  expect(printed).toContain('verdict: pass')
})
