import { execFile } from 'node:child_process'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { PROJECT_ROOT } from '#fixtures/command-line/project-root.ts'
import { createSchoolContext } from '#fixtures/data/scenarios/school-context.ts'
import { installArtillery } from '#fixtures/export/install-artillery.ts'
import type { App } from '#fixtures/playwright/app-fixtures.ts'
import { inheritedEnvironment } from '#fixtures/services/environment.ts'
import { expect, test } from '#fixtures/test.ts'

const K6 = fileURLToPath(new URL('../../../fixtures/doubles/k6/runtime.process.ts', import.meta.url))
const SCHOOL_MIX = fileURLToPath(new URL('../../../fixtures/data/scenarios/school-mix.ts', import.meta.url))

interface Ended {
  readonly code: number
  readonly output: string
}

function run(
  program: string,
  words: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const env = { ...inheritedEnvironment(), ...variables }
  return new Promise((resolve) => {
    execFile(program, words, { cwd: PROJECT_ROOT, env, maxBuffer: 2 ** 26 }, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), output: stdout + stderr }),
    )
  })
}

/** A config of the school as somebody would write it; `path` is that of a request whose reply may be wrong. */
async function writeSchoolConfig(app: App, path: string): Promise<string> {
  const { token } = await app.session('student1')
  const file = test.info().outputPath('hotpath.config.mjs')
  await writeFile(
    file,
    `export default {
  server: { url: ${JSON.stringify(app.url)} },
  clients: { context: () => ({ headers: { authorization: 'Bearer ${token}' } }) },
  requests: [
    {
      name: 'lessons',
      weight: 2,
      build: () => ({ path: '/api/v1/lessons', expected: 'lessons' }),
      verify: ({ status, body }, expected) => (status === 200 && Array.isArray(JSON.parse(body)[expected])) || 'no lessons',
    },
    { name: 'other', build: () => ({ path: '${path}' }) },
  ],
  ratePerSecond: 10,
  targets: { p95: '<5s', p99: '<5s', errors: '<1%' },
}
`,
  )
  return file
}

async function exported(engine: string, ...words: readonly string[]): Promise<string> {
  const directory = test.info().outputPath(engine)
  const args = ['run', '--silent', 'export', '--', engine, '--seconds', '3', '-o', directory, ...words]
  expect(await run('npm', args)).toMatchObject({ code: 0, output: expect.stringContaining('context.json') })
  return directory
}

const K6Report = z.object({
  checks: z.array(z.object({ name: z.string(), passes: z.boolean() })),
  options: z.looseObject({
    thresholds: z.record(z.string(), z.array(z.string())),
    scenarios: z.record(z.string(), z.looseObject({})),
  }),
})

async function iterate(directory: string, iterations: number): Promise<z.infer<typeof K6Report>> {
  const { code, output } = await run(process.execPath, [K6, `${directory}/script.js`, String(iterations)])
  expect(code, output).toBe(0)
  return K6Report.parse(JSON.parse(/^\{"checks".*$/m.exec(output)?.[0] ?? output))
}

test('the script for k6 asks a real server, checks each reply and carries rate and targets', async ({ app }) => {
  test.setTimeout(120_000)
  const directory = await exported('k6', '--config', await writeSchoolConfig(app, '/api/v1/nothing'))
  const { checks, options } = await iterate(directory, 16)
  const passesOf = (name: string) =>
    checks.filter((one) => one.name === `${name} is answered right`).map(({ passes }) => passes)
  expect(new Set(passesOf('lessons'))).toEqual(new Set([true]))
  expect(new Set(passesOf('other'))).toEqual(new Set([false]))
  expect(checks).toHaveLength(16)
  expect(options.scenarios['load']).toMatchObject({
    executor: 'constant-arrival-rate',
    rate: 600,
    timeUnit: '1m',
    duration: '3s',
  })
  expect(options.thresholds).toEqual({ http_req_duration: ['p(95)<5000', 'p(99)<5000'], checks: ['rate>0.99'] })
  expect((await stat(`${directory}/context.json`)).mode & 0o077).toBe(0)
})

test("the school's own scenario is one script without a module of Node, and its replies are right", async ({ app }) => {
  test.setTimeout(120_000)
  const context = test.info().outputPath('school.json')
  await writeFile(context, JSON.stringify(await createSchoolContext({ ...app, name: 'school' } as never)))
  const directory = await exported('k6', '--config', SCHOOL_MIX, '--context', context, '--url', app.url)
  expect(await readFile(`${directory}/script.js`, 'utf8')).not.toMatch(/from\s*"(?!k6)|require\("|node:/)
  const { checks } = await iterate(directory, 12)
  expect(checks).toHaveLength(12)
  expect(checks.filter(({ passes }) => !passes)).toEqual([])
})

test('a config that uses a module of Node is refused for k6, with the name of the module', async () => {
  const file = test.info().outputPath('hotpath.config.mjs')
  await writeFile(
    file,
    `import { readFileSync } from 'node:fs'
export default { server: { url: 'http://127.0.0.1:9' }, requests: [{ name: 'a', build: () => ({ path: '/' + readFileSync }) }],
  ratePerSecond: 1, targets: { p95: '<1s' } }`,
  )
  const { code, output } = await run('npm', [
    'run',
    '--silent',
    'export',
    '--',
    'k6',
    '--config',
    file,
    '-o',
    test.info().outputPath('k6'),
  ])
  expect(code).toBe(1)
  expect(output).toContain('Could not resolve "node:fs"')
})

const ArtilleryReport = z.object({ aggregate: z.object({ counters: z.record(z.string(), z.number()) }) })

for (const { title, path, code, isWrong } of [
  {
    title: 'Artillery runs what was exported, and right replies meet the targets',
    path: '/health/live',
    code: 0,
    isWrong: false,
  },
  {
    title: 'Artillery counts a wrong reply, names its request, and fails',
    path: '/api/v1/nothing',
    code: 1,
    isWrong: true,
  },
]) {
  test(title, async ({ app }) => {
    test.setTimeout(900_000)
    const program = await installArtillery()
    test.skip(program === undefined, 'Artillery could not be installed: no registry answers')
    const directory = await exported('artillery', '--config', await writeSchoolConfig(app, path))
    const report = test.info().outputPath('artillery.json')
    const words = [program ?? '', 'run', '--output', report, `${directory}/test.json`]
    const ended = await run(process.execPath, words, { ARTILLERY_DISABLE_TELEMETRY: 'true' })
    const { counters } = ArtilleryReport.parse(JSON.parse(await readFile(report, 'utf8'))).aggregate
    expect(ended.code, ended.output).toBe(code)
    expect(counters['vusers.created']).toBe(30)
    expect(counters['hotpath.wrong.other'] ?? 0).toBe(counters['vusers.failed'])
    expect((counters['vusers.failed'] ?? 0) > 0).toBe(isWrong)
    expect(counters['hotpath.wrong.lessons']).toBeUndefined()
  })
}
