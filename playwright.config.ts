import { randomInt } from 'node:crypto'
import { defineConfig, type Project } from '@playwright/test'
import type { Effort } from './fixtures/playwright/measure.ts'
import type { MeasurementOptions } from './fixtures/playwright/measurement-fixtures.ts'
import type { ServicesOptions } from './fixtures/playwright/services-fixtures.ts'

type Options = ServicesOptions & MeasurementOptions

const onCi = process.env['CI'] !== undefined
/** Drawn once for a run: the workers, which read this file too, inherit it. */
process.env['SEED'] ??= String(randomInt(2 ** 31))

/** What stands behind an option of the command line, in both of its spellings. */
function valuesOf(option: string, words: readonly string[]): string[] {
  const values: string[] = []
  for (const [index, word] of words.entries()) {
    if (word.startsWith(`${option}=`)) values.push(word.slice(option.length + 1))
    if (word !== option) continue
    for (const value of words.slice(index + 1)) {
      if (value.startsWith('-')) break
      values.push(value)
    }
  }
  return values
}

const functional = ['unit', 'architecture', 'integration', 'realtime', 'browser', 'resilience']

/** The markers of the specification, and the projects whose tests they are on. */
const MARKERS: Readonly<Record<string, readonly string[]>> = {
  '@unit': ['unit', 'architecture'],
  '@integration': ['integration', 'realtime', 'browser', 'resilience'],
  '@performance': ['performance'],
}
/** Playwright puts a tag on all tests or on single ones: those of a marker that is asked for get it here. */
const askedMarkers = [...valuesOf('--grep', process.argv), ...valuesOf('-g', process.argv)].flatMap((pattern) =>
  Object.keys(MARKERS).filter((marker) => pattern.includes(marker)),
)
const marked = askedMarkers.flatMap((marker) => MARKERS[marker] ?? [])
/** Empty for a whole run. */
const asked = [...valuesOf('--project', process.argv), ...marked]

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

/** Of the targets that are measured; what is below fails. A run of which somebody waits for the answer has no limit. */
function parseMinDecidedPercent(wanted: string): number {
  const percent = Number(wanted)
  if (percent >= 0 && percent <= 100) return percent
  throw new RangeError(`MIN_DECIDED is a number of percent from 0 to 100, and not "${wanted}"`)
}

/** How long the soak lasts; as many looks as the effort has where nothing is said. */
function parseSoakMinutes(wanted: string | undefined): number | undefined {
  if (wanted === undefined || wanted === '') return undefined
  const minutes = Number(wanted)
  if (minutes > 0 && minutes <= 600) return minutes
  throw new RangeError(`SOAK_MINUTES is a number of minutes up to 600, and not "${wanted}"`)
}

const spec = (name: string, options: Partial<Project<Options>> = {}): Project<Options> => ({
  name,
  testDir: `e2e/${name}`,
  ...options,
})

const projects: Project<Options>[] = [
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
  spec('red-team', { workers: 1, fullyParallel: false, timeout: 300_000, use: { databaseProfile: 'measurement' } }),
  spec('soak', {
    workers: 1,
    fullyParallel: false,
    timeout: 3_600_000,
    use: { databaseProfile: 'measurement' },
    dependencies: ['performance'].filter((name) => asked.includes(name)),
  }),
]

/** Floods take the machine from everything else: they run only when they are asked for. (A worker knows no arguments.) */
const wantsFloods = asked.includes('red-team') || process.env['TEST_WORKER_INDEX'] !== undefined

const isWanted = (name: string): boolean =>
  (marked.length === 0 || marked.includes(name)) && (name !== 'red-team' || wantsFloods)

export default defineConfig<Options>({
  tag: askedMarkers,
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
    soakMinutes: parseSoakMinutes(process.env['SOAK_MINUTES']),
    // A deployed backend to measure: nothing is started then.
    deployedUrl: process.env['BASE_URL'] || undefined,
  },
  reporter: [
    ['list'],
    [
      './fixtures/measurement/report/measurement-reporter.ts',
      {
        jobSummary: process.env['GITHUB_STEP_SUMMARY'],
        isBrief: process.env['VERIFY'] === 'quick',
        minDecidedPercent: parseMinDecidedPercent(process.env['MIN_DECIDED'] || (onCi ? '90' : '0')),
      },
    ],
    ['./fixtures/playwright/counts-reporter.ts', { isListing: process.argv.includes('--list') }],
  ],
  projects: projects.filter(({ name = '' }) => isWanted(name)),
})
