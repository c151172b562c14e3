import { execFile } from 'node:child_process'
import { chmod, cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from '@playwright/test'
import { inheritedEnvironment } from '#fixtures/services/environment.ts'
import { isRunning } from '#fixtures/services/process/process-tree.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const LANES = ['embedded', 'measurements', 'auto', 'containers'] as const
/** The whole of it, on 2 cores. */
const MAX_SECONDS = 90 * 60
/** What a step has for its end when its time is over. */
const KILL_AFTER_SECONDS = 30

/** What the lanes write instead of testing, as lines of shell. */
type Lanes = Readonly<Record<(typeof LANES)[number], string>>

interface Ended {
  readonly code: number
  readonly lines: readonly string[]
}

/** The pipeline itself, with an npm and lanes that do nothing but write. */
async function runPipeline(lanes: Lanes): Promise<Ended> {
  const root = test.info().outputPath('clone')
  const programs = join(root, 'programs')
  await mkdir(join(root, '.ci/lanes'), { recursive: true })
  await mkdir(programs)
  for (const file of ['run', 'steps.sh']) await cp(join(ROOT, '.ci', file), join(root, '.ci', file))
  const scripts = LANES.map((lane) => [join(root, '.ci/lanes', lane), lanes[lane]] as const)
  for (const [file, text] of [[join(programs, 'npm'), 'true'] as const, ...scripts]) {
    await writeFile(file, `#!/bin/bash\n${text}\n`)
    await chmod(file, 0o755)
  }
  const inherited = inheritedEnvironment()
  const env = { ...inherited, PATH: [programs, inherited['PATH']].join(delimiter) }
  return new Promise((resolve) => {
    execFile('bash', [join(root, '.ci/run')], { env }, (error, stdout) =>
      resolve({ code: Number(error?.code ?? 0), lines: stdout.trim().split('\n') }),
    )
  })
}

const PASSES = `echo '3 passed, 0 failed, 1 skipped'`
const NO_ENGINE = `echo '# NO CONTAINER ENGINE: none answers'`
const ALL_PASS: Lanes = { embedded: PASSES, measurements: PASSES, auto: PASSES, containers: PASSES }

for (const { title, lanes, code, lastLine } of [
  { title: 'lanes that passed are counted together', lanes: {}, code: 0, lastLine: '12 passed, 0 failed, 4 skipped' },
  {
    title: 'without a container engine the lanes on containers have not failed',
    lanes: { auto: NO_ENGINE, containers: NO_ENGINE },
    code: 0,
    lastLine: '6 passed, 0 failed, 2 skipped',
  },
  {
    title: 'each lane adds the failures that it has counted',
    lanes: Object.fromEntries(LANES.map((lane, at) => [lane, `echo '1 passed, ${at + 1} failed'; exit 1`])),
    code: 1,
    lastLine: '4 passed, 10 failed',
  },
] as const) {
  test(`in the pipeline ${title}`, async () => {
    const ended = await runPipeline({ ...ALL_PASS, ...lanes })
    expect({ code: ended.code, lastLine: ended.lines.at(-1) }).toEqual({ code, lastLine })
  })
}

for (const [what, lane] of [
  ['tests that passed and cover too little', 'embedded'],
  ['measurements of which too few are decided', 'measurements'],
] as const) {
  test(`in the pipeline ${what} have failed`, async () => {
    const { code, lines } = await runPipeline({ ...ALL_PASS, [lane]: `${PASSES}; exit 6` })
    expect({ code, lastLine: lines.at(-1) }).toEqual({ code: 1, lastLine: '12 passed, 1 failed, 4 skipped' })
  })
}

for (const lane of LANES) {
  for (const [what, text] of [
    ['has tested nothing', `echo '0 passed, 0 failed'`],
    ['counts nothing', 'true'],
    ['breaks without a count', 'exit 3'],
    ...(['embedded', 'measurements'].includes(lane)
      ? [['wants an engine that it has no use for', NO_ENGINE] as const]
      : []),
  ] as const) {
    test(`in the pipeline the lane ${lane} has failed when it ${what}`, async () => {
      const { code, lines } = await runPipeline({ ...ALL_PASS, [lane]: text })
      expect({ code, lastLine: lines.at(-1) }).toEqual({ code: 1, lastLine: '9 passed, 1 failed, 3 skipped' })
    })
  }
}

test('the pipeline ends with what failed, and why', async () => {
  const output = `
  ✓  1 [unit] › a.test.ts:1:1 › holds (2ms)

  1) [realtime] › b.spec.ts:7:1 › arrives ───

    Error: never arrived

  1 failed
    [realtime] › b.spec.ts:7:1 › arrives ───
2 passed, 1 failed`
  const { lines } = await runPipeline({
    ...ALL_PASS,
    measurements: `echo '${output}'; exit 1`,
    auto: `echo '  ✘  1 [browser] › c.spec.ts:1:1 › loads'; echo 'no such network'; exit 3`,
  })
  expect(lines.slice(lines.indexOf('What failed:'))).toEqual([
    'What failed:',
    '── .ci/lanes/measurements',
    '  1) [realtime] › b.spec.ts:7:1 › arrives ───',
    '    Error: never arrived',
    '── .ci/lanes/auto',
    '  ✘  1 [browser] › c.spec.ts:1:1 › loads',
    '  ✘  1 [browser] › c.spec.ts:1:1 › loads',
    'no such network',
    '',
    '8 passed, 2 failed, 2 skipped',
  ])
})

test('an engine that a lane has left behind is stopped at the end of the pipeline', async () => {
  const file = test.info().outputPath('engine')
  const leaves = `sleep 600 >&- 2>&- & echo $! | tee "$ENGINE_STATE/pid" >'${file}'; ${PASSES}`
  expect((await runPipeline({ ...ALL_PASS, auto: leaves })).code).toBe(0)
  expect(isRunning(Number(await readFile(file, 'utf8')))).toBe(false)
})

/** Each step of the pipeline with its limit, as it shows them. */
async function stepsOfPipeline(): Promise<ReadonlyMap<string, number>> {
  const { lines } = await runPipeline(ALL_PASS)
  const shown = lines.flatMap((line) => [...line.matchAll(/^── (.+) \(at most (\d+) s\)$/g)])
  return new Map(shown.map(([, command = '', seconds]) => [command, Number(seconds)]))
}

test('the steps of the pipeline end within 90 minutes, whatever hangs', async () => {
  const limits = [...(await stepsOfPipeline()).values()]
  expect(limits.length).toBeGreaterThan(LANES.length)
  const total = limits.reduce((sum, seconds) => sum + seconds + KILL_AFTER_SECONDS, 0)
  expect(total).toBeLessThan(MAX_SECONDS)
  expect(await readFile(join(ROOT, '.ci/steps.sh'), 'utf8')).toContain(`--kill-after=${KILL_AFTER_SECONDS} `)
})

test('the workflow of GitHub runs the steps of the pipeline and nothing else', async () => {
  const workflow = await readFile(join(ROOT, '.github/workflows/ci.yml'), 'utf8')
  const ran = [...workflow.matchAll(/^ +(?:- )?run: (.+)$/gm)].map(([, command]) => command)
  expect(new Set(ran)).toEqual(new Set((await stepsOfPipeline()).keys()))
})
