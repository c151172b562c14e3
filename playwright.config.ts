import { randomInt } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { defineConfig, type Project } from '@playwright/test'
import type { BackendOptions } from './fixtures/backend/backend-fixtures.ts'
import { findConfig } from './fixtures/backend/load-config.ts'
import { parsePlaywrightArguments } from './fixtures/command-line/playwright-arguments.ts'
import { loadTestCommand } from './fixtures/command-line/playwright-program.ts'
import type { Effort } from './fixtures/playwright/measure.ts'
import type { MeasurementOptions } from './fixtures/playwright/measurement-fixtures.ts'
import { planRun, type PlannedProject } from './fixtures/playwright/run-plan.ts'
import { requirementsOf } from './fixtures/playwright/run-requirements.ts'
import type { ServicesOptions } from './fixtures/playwright/services-fixtures.ts'
import { readConfigName } from './fixtures/services/environment.ts'
import { workersFor } from './fixtures/playwright/workers-for.ts'

type SuiteProject = Project<ServicesOptions & MeasurementOptions & BackendOptions> & { readonly name: string }

const onCi = process.env['CI'] !== undefined
/** Drawn once for a run: the workers, which read this file too, inherit it. */
process.env['SEED'] ||= String(randomInt(2 ** 31))

/** Workers know no arguments, and the editor's test server is told later what to run. */
const [, , command, ...words] = process.argv
const isTestCommand = command === 'test'
const typed = parsePlaywrightArguments(isTestCommand ? words : [], isTestCommand ? loadTestCommand().options : [])

/** One that an environment variable names, or the default. */
function parseChoice<Choice extends string>(name: string, choices: readonly Choice[]): Choice | undefined {
  const wanted = process.env[name] || undefined
  const choice = choices.find((one) => one === wanted)
  if (wanted !== choice) throw new RangeError(`${name} is ${choices.join(' or ')}, and not "${wanted}"`)
  return choice
}

/** The config of a backend that is not the school: where there is one, it is what is measured. */
const backendConfig = findConfig(import.meta.dirname, readConfigName())

/** A measurement wants the machine to itself: each project of them is a turn of its own, after all that is functional. */
const MEASURING: readonly string[] = [
  'performance',
  ...(backendConfig === undefined ? [] : ['own']),
  'harness',
  'red-team',
  'soak',
]
/** They take the machine from everything else, or much time: they run only when they are asked for. */
const ON_DEMAND: ReadonlySet<string> = new Set(['harness', 'red-team', 'soak'])

const turnOf = (name: string): string => `before-${name}`

/**
 * Playwright begins with a project when those that it depends on are over, together with all others that could begin
 * then. These have no tests, so no filter is bypassed by them: the first one ends with the functional projects, each
 * following one with the measuring project before.
 */
const turns: SuiteProject[] = MEASURING.map((name, index) => ({
  name: turnOf(name),
  testMatch: [],
  default: false,
  dependencies: MEASURING.slice(0, index).slice(-1).map(turnOf),
}))

const functional: SuiteProject[] = [
  {
    name: 'unit',
    testDir: '.',
    testMatch: ['optimizations/**/*.test.ts', 'server/**/*.test.ts', 'fixtures/**/*.test.ts'],
  },
  ...['architecture', 'integration', 'realtime', 'browser', 'resilience'].map((name) => ({
    name,
    testDir: `e2e/${name}`,
  })),
]

const measuring: SuiteProject[] = MEASURING.map((name) => ({
  name,
  testDir: `e2e/${name}`,
  workers: 1,
  fullyParallel: false,
  timeout: name === 'soak' ? 3_600_000 : 300_000,
  dependencies: [turnOf(name)],
  // What watches a page would be measured with it.
  use: { databaseProfile: 'measurement', trace: 'off' },
}))

/** The markers of the specification, and the projects whose tests they are on. */
const MARKERS: Readonly<Record<string, readonly string[]>> = {
  '@unit': ['unit', 'architecture'],
  '@integration': ['integration', 'realtime', 'browser', 'resilience'],
  '@performance': ['performance'],
}
/** Playwright puts a tag on all tests or on single ones: those of a marker that is asked for get it here. */
const askedMarkers = (typed.options.get('--grep') ?? []).flatMap((pattern) =>
  Object.keys(MARKERS).filter((marker) => pattern.includes(marker)),
)
const marked = askedMarkers.flatMap((marker) => MARKERS[marker] ?? [])
const suite = [...functional, ...measuring].filter(({ name }) => marked.length === 0 || marked.includes(name))

function plannedProject({ name }: SuiteProject): PlannedProject {
  const folders = name === 'unit' ? ['optimizations', 'server', 'fixtures'] : [`e2e/${name}`]
  const ending = name === 'unit' ? '.test.ts' : '.spec.ts'
  const files = folders.flatMap((folder) =>
    readdirSync(join(import.meta.dirname, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith(ending))
      .map((file) => join(import.meta.dirname, folder, file)),
  )
  return {
    name,
    files,
    // Who describes a backend wants to know of that one; the suite's own tests run when they are named.
    isByDefault: backendConfig === undefined ? !ON_DEMAND.has(name) : name === 'own',
    isMeasuring: MEASURING.some((one) => one === name),
  }
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

const plan = planRun(typed, suite.map(plannedProject))

const EFFORTS = ['quick', 'normal', 'full'] as const satisfies readonly Effort[]
// What is picked in the editor is picked by hand too. The workers, which read this file too, inherit it.
process.env['VERIFY'] ||= isTestCommand ? plan.effort : 'normal'
const effort = parseChoice('VERIFY', EFFORTS) ?? plan.effort

export default defineConfig<ServicesOptions & MeasurementOptions & BackendOptions>({
  tag: askedMarkers,
  testMatch: '**/*.spec.ts',
  globalSetup: './fixtures/playwright/global-setup.ts',
  /** Read by the global set-up; both stand in the reports. */
  metadata: {
    effort,
    seed: process.env['SEED'],
    requirements: isTestCommand ? requirementsOf(plan.reached.filter(({ name }) => name !== 'own')) : [],
    ...(isTestCommand &&
      !typed.options.has('--list') &&
      plan.reached.some(({ name }) => name === 'own') && { backendConfig }),
  },
  fullyParallel: true,
  forbidOnly: onCi,
  // A retry would hide a race, and a retried measurement is the best of two.
  retries: 0,
  workers: workersFor(availableParallelism()),
  timeout: 30_000,
  expect: { timeout: 10_000 },
  outputDir: 'test-results',
  use: {
    intensity: parseChoice('INTENSITY', ['full']) === 'full' ? 1 : 0.1,
    seed: Number(process.env['SEED']),
    effort,
    soakMinutes: parseSoakMinutes(process.env['SOAK_MINUTES']),
    // A deployed backend to measure: nothing is started then.
    deployedUrl: process.env['BASE_URL'] || undefined,
    backendConfig,
    trace: 'retain-on-failure',
    screenshot: 'only-on-failure',
  },
  reporter: [
    ['list'],
    [
      './fixtures/measurement/report/measurement-reporter.ts',
      {
        ...(process.env['HOTPATH_REPORTS'] ? { outputDir: process.env['HOTPATH_REPORTS'] } : {}),
        jobSummary: process.env['GITHUB_STEP_SUMMARY'],
        minDecidedPercent: parseMinDecidedPercent(process.env['MIN_DECIDED'] || (onCi ? '90' : '0')),
      },
    ],
    ['./fixtures/playwright/counts-reporter.ts', { isListing: typed.options.has('--list') }],
  ],
  projects: [
    ...suite.map((project) => ({ ...project, default: plan.byDefault.includes(project.name) })),
    ...turns.filter(({ name }) => suite.some((project) => turnOf(project.name) === name)),
  ],
})
