import { randomInt } from 'node:crypto'
import { defineConfig, type Project } from '@playwright/test'
import type { Effort } from './fixtures/playwright/measure.ts'
import type { MeasurementOptions } from './fixtures/playwright/measurement-fixtures.ts'
import type { ServicesOptions } from './fixtures/playwright/services-fixtures.ts'

type Options = ServicesOptions & MeasurementOptions

const onCi = process.env['CI'] !== undefined
/** Drawn once for a run: the workers, which read this file too, inherit it. */
process.env['SEED'] ??= String(randomInt(2 ** 31))

/** What was asked for by `--project`, in both of its spellings; empty for a whole run. */
function askedProjects(words: readonly string[]): string[] {
  const asked: string[] = []
  for (const [index, word] of words.entries()) {
    if (word.startsWith('--project=')) asked.push(word.slice('--project='.length))
    if (word !== '--project') continue
    for (const name of words.slice(index + 1)) {
      if (name.startsWith('-')) break
      asked.push(name)
    }
  }
  return asked
}

const functional = ['unit', 'architecture', 'integration', 'realtime', 'browser', 'resilience']
const asked = askedProjects(process.argv)

/**
 * A measurement has the machine to itself: after everything else in a whole run, by itself when asked for by name.
 * (Playwright starts the dependencies of a project also when only that project was asked for.)
 */
const beforeMeasuring = functional.filter((name) => asked.length === 0 || asked.includes(name))

const EFFORTS: readonly string[] = ['quick', 'normal', 'full'] satisfies Effort[]

/**
 * By itself a measurement takes its time, behind a whole run of tests it is quick. The workers, which read this file
 * too and know no arguments, inherit it.
 */
process.env['VERIFY'] ||= asked.length === 1 && asked[0] === 'performance' ? 'normal' : 'quick'

function parseEffort(wanted: string | undefined): Effort {
  if (wanted === undefined || !EFFORTS.includes(wanted)) {
    throw new RangeError(`VERIFY is one of ${EFFORTS.join(', ')}, and not "${wanted}"`)
  }
  return wanted as Effort
}

const spec = (name: string, options: Partial<Project<Options>> = {}): Project<Options> => ({
  name,
  testDir: `e2e/${name}`,
  ...options,
})

export default defineConfig<Options>({
  testMatch: '**/*.spec.ts',
  globalSetup: './fixtures/playwright/global-setup.ts',
  fullyParallel: true,
  forbidOnly: onCi,
  // A retry would hide a race, and a retried measurement is the best of two.
  retries: 0,
  workers: 2,
  timeout: 30_000,
  expect: { timeout: 10_000 },
  outputDir: 'test-results',
  use: {
    intensity: process.env['INTENSITY'] === 'full' ? 1 : 0.1,
    seed: Number(process.env['SEED']),
    effort: parseEffort(process.env['VERIFY']),
    // A deployed backend to measure: nothing is started then.
    deployedUrl: process.env['BASE_URL'] || undefined,
  },
  reporter: [
    ['list'],
    ['./fixtures/measurement/report/measurement-reporter.ts', { jobSummary: process.env['GITHUB_STEP_SUMMARY'] }],
    ['./fixtures/playwright/counts-reporter.ts'],
  ],
  projects: [
    {
      name: 'unit',
      testDir: '.',
      testMatch: ['optimizations/**/*.test.ts', 'server/**/*.test.ts', 'fixtures/**/*.test.ts'],
    },
    spec('architecture'),
    spec('integration'),
    spec('realtime'),
    spec('browser'),
    spec('resilience'),
    spec('performance', {
      workers: 1,
      fullyParallel: false,
      timeout: 300_000,
      dependencies: beforeMeasuring,
      use: { databaseProfile: 'measurement' },
    }),
    spec('soak', {
      workers: 1,
      fullyParallel: false,
      timeout: 3_600_000,
      use: { databaseProfile: 'measurement' },
      dependencies: ['performance'].filter((name) => asked.includes(name)),
    }),
  ],
})
