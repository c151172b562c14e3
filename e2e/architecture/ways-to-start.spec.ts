import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from '@playwright/test'
import { z } from 'zod'
import { workersFor } from '#fixtures/playwright/workers-for.ts'
import { inheritedEnvironment } from '#fixtures/services/environment.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const CLI = join(ROOT, 'node_modules/@playwright/test/cli.js')
const EVERYTHING = ['unit', 'architecture', 'integration', 'realtime', 'browser', 'resilience', 'performance']
const FUNCTIONAL = EVERYTHING.filter((name) => name !== 'performance')

const Spec = z.object({ id: z.string(), title: z.string(), tests: z.array(z.object({ projectName: z.string() })) })
interface Suite {
  readonly file: string
  readonly specs: readonly z.infer<typeof Spec>[]
  readonly suites?: readonly Suite[] | undefined
}
const Suite: z.ZodType<Suite> = z.object({
  file: z.string(),
  specs: z.array(Spec),
  suites: z.lazy(() => z.array(Suite)).optional(),
})
const Report = z.object({
  config: z.object({
    workers: z.number(),
    metadata: z.object({ effort: z.string(), requirements: z.array(z.string()) }),
    projects: z.array(z.object({ name: z.string() })),
  }),
  suites: z.array(Suite),
})

interface Listed {
  readonly projects: readonly string[]
  readonly files: readonly string[]
  readonly tests: readonly { readonly id: string; readonly title: string; readonly project: string }[]
  readonly workers: number
  readonly effort: string
  readonly requirements: readonly string[]
}

const specsOf = ({ specs, suites = [] }: Suite): readonly z.infer<typeof Spec>[] => [
  ...specs,
  ...suites.flatMap(specsOf),
]

/** What `npx playwright test` would run. */
async function list(args: readonly string[], variables: Readonly<Record<string, string>> = {}): Promise<Listed> {
  const output = test.info().outputPath('report.json')
  await mkdir(test.info().outputDir, { recursive: true })
  const env = { ...inheritedEnvironment(), PLAYWRIGHT_JSON_OUTPUT_FILE: output, ...variables }
  const words = [CLI, 'test', ...args, '--list', '--reporter=json']
  const printed = await new Promise<string>((resolve) => {
    execFile(process.execPath, words, { cwd: ROOT, env }, (_error, stdout, stderr) => resolve(stdout + stderr))
  })
  const text = await readFile(output, 'utf8').catch(() => expect(printed).toBe('a report'))
  const { config, suites } = Report.parse(JSON.parse(String(text)))
  const tests = suites.flatMap((suite) =>
    specsOf(suite).flatMap(({ id, title, tests: ofProjects }) =>
      ofProjects.map(({ projectName }) => ({ id, title, project: projectName })),
    ),
  )
  const known = config.projects.map(({ name }) => name)
  return {
    tests,
    projects: [...new Set(tests.map(({ project }) => project))].toSorted((a, b) => known.indexOf(a) - known.indexOf(b)),
    files: [...new Set(suites.map(({ file }) => file))],
    workers: config.workers,
    ...config.metadata,
  }
}

interface Way {
  readonly args: string
  readonly projects: readonly string[]
  /** All files that run, where these are few. */
  readonly files?: readonly string[]
  readonly effort: 'quick' | 'normal'
  readonly requirements?: readonly string[]
}

const BOTH = ['browser', 'services']

const WAYS: readonly Way[] = [
  { args: '', projects: EVERYTHING, effort: 'quick', requirements: BOTH },
  { args: '--grep-invert=cache', projects: EVERYTHING, effort: 'quick', requirements: BOTH },
  { args: '--project=unit', projects: ['unit'], effort: 'quick', requirements: [] },
  { args: '--project=soak', projects: ['soak'], files: ['e2e/soak/soak.spec.ts'], effort: 'normal' },
  {
    args: '--project=harness',
    projects: ['harness'],
    files: ['artillery', 'cross-check', 'notes', 'open-loop', 'self-proof', 'sharding'].map(
      (name) => `e2e/harness/${name}.spec.ts`,
    ),
    effort: 'normal',
    requirements: ['services'],
  },
  { args: '--project=red-team', projects: ['red-team'], effort: 'normal', requirements: ['services'] },
  { args: '--project=performance', projects: ['performance'], effort: 'normal', requirements: BOTH },
  { args: '--project=integration --project=performance', projects: ['integration', 'performance'], effort: 'quick' },
  {
    args: 'e2e/performance/end-to-end.spec.ts',
    projects: ['performance'],
    files: ['e2e/performance/end-to-end.spec.ts'],
    effort: 'normal',
    requirements: ['services'],
  },
  {
    args: 'e2e/realtime/events/rollback.spec.ts',
    projects: ['realtime'],
    files: ['e2e/realtime/events/rollback.spec.ts'],
    effort: 'normal',
    requirements: ['services'],
  },
  {
    args: 'e2e/browser/live-page.spec.ts e2e/performance/memory.spec.ts',
    projects: ['browser', 'performance'],
    files: ['e2e/browser/live-page.spec.ts', 'e2e/performance/memory.spec.ts'],
    effort: 'normal',
    requirements: BOTH,
  },
  // On demand by its file, too.
  { args: 'soak.spec.ts', projects: ['soak'], files: ['e2e/soak/soak.spec.ts'], effort: 'normal' },
  { args: '--grep @performance', projects: ['performance'], effort: 'normal' },
  { args: '--grep @unit', projects: ['unit', 'architecture'], effort: 'normal', requirements: [] },
]

test.describe.configure({ timeout: 120_000 })

for (const { args, projects, files, effort, requirements } of WAYS) {
  test(`playwright test ${args} runs what was asked for, and nothing else`, async () => {
    const listed = await list(args.split(' ').filter((word) => word !== ''))
    expect(listed).toMatchObject({
      projects,
      effort,
      ...(files === undefined ? {} : { files }),
      ...(requirements === undefined ? {} : { requirements }),
    })
  })
}

test('a title runs wherever it stands, and a measurement of that title in full', async () => {
  const { tests, projects, effort } = await list(['--grep', 'P95'])
  expect(projects).toContain('performance')
  expect(tests.filter(({ title }) => !title.includes('P95'))).toEqual([])
  expect(effort).toBe('normal')
})

test('a line is one test, as the run button of an editor asks for it', async () => {
  const source = await readFile(join(ROOT, 'e2e/performance/memory.spec.ts'), 'utf8')
  const line = source.split('\n').findIndex((text) => text.startsWith('test(')) + 1
  const { tests, effort } = await list([`${join(ROOT, 'e2e/performance/memory.spec.ts')}:${line}`])
  expect(tests.map(({ project }) => project)).toEqual(['performance'])
  expect(effort).toBe('normal')
})

test('two shards are the whole suite, and nothing runs in both', async () => {
  const [whole, first, second] = [await list([]), await list(['--shard=1/2']), await list(['--shard=2/2'])]
  const ids = ({ tests }: Listed): string[] => tests.map(({ id }) => id)
  expect([...ids(first), ...ids(second)].toSorted()).toEqual(ids(whole).toSorted())
  expect([first.effort, second.effort]).toEqual(['quick', 'quick'])
})

test('what failed last runs again and nothing else, also where it runs only on demand', async () => {
  const [soak] = (await list(['--project=soak'])).tests
  const lastRun = test.info().outputPath('last-run.json')
  await writeFile(lastRun, JSON.stringify({ status: 'failed', failedTests: [soak?.id] }))
  const { tests, effort } = await list(['--last-failed', '--last-failed-file', lastRun])
  expect(tests).toEqual([soak])
  expect(effort).toBe('normal')
})

test('there are as many workers as the machine has room for, or as many as are asked for', async () => {
  expect((await list(['--project=soak'])).workers).toBe(workersFor(availableParallelism()))
  expect((await list(['--project=soak', '--workers=3'])).workers).toBe(3)
})

test('VERIFY says otherwise', async () => {
  expect((await list(['--project=soak'], { VERIFY: 'full' })).effort).toBe('full')
})

test('measurements wait for all functional projects, and for the measuring project before', async () => {
  const { default: config } = await import('../../playwright.config.ts')
  const dependencies = new Map(config.projects?.map((project) => [project.name, project.dependencies ?? []]))
  const phaseOf = (name: string): number =>
    1 + Math.max(-1, ...(dependencies.get(name) ?? []).map((dependency) => phaseOf(dependency)))
  expect(FUNCTIONAL.map(phaseOf)).toEqual(FUNCTIONAL.map(() => 0))
  expect(['performance', 'harness', 'red-team', 'soak'].map(phaseOf)).toEqual([1, 2, 3, 4])
})
