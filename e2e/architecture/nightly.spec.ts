import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from '@playwright/test'
import { inheritedEnvironment } from '#fixtures/services/environment.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** A job of GitHub may take that long. */
const MAX_SECONDS = 6 * 3_600
/** What a step has for its end when its time is over. */
const KILL_AFTER_SECONDS = 30

const TOOLS = {
  install: 'npm ci',
  functional: 'npm run coverage',
  verify: 'npm run verify',
  bench: 'npm run bench',
  harness: 'npm run test:harness',
  'red-team': 'npm run test:red-team',
  soak: 'npx playwright test --project=soak',
} as const
type Step = keyof typeof TOOLS

interface Night {
  readonly args?: readonly string[]
  readonly variables?: Readonly<Record<string, string>>
  /** What a step does instead, as lines of shell. */
  readonly instead?: Readonly<Partial<Record<Step, string>>>
}

interface Ended {
  readonly code: number
  readonly lines: readonly string[]
  readonly stderr: string
  /** Commands with what was set for them, in the order of running. */
  readonly ran: readonly string[]
  readonly fileOf: (path: string) => Promise<string>
}

/** A step that measures: one line of history, a report, and the counts at the end. */
const measures = (step: string): string =>
  [
    'mkdir -p reports/latest',
    `echo '${step}' | tee reports/latest/index.html >> reports/history.jsonl`,
    `echo 'targets: 3 met, 0 missed, 1 undecided'`,
    `echo '2 passed, 0 failed'`,
  ].join('\n')

/** What each step does here by itself. */
const DONE: Readonly<Record<Step, string>> = {
  install: 'true',
  functional: `mkdir -p coverage/raw && echo covered > coverage/index.html; echo '9 passed, 0 failed'`,
  verify: measures('verify'),
  bench: 'mkdir -p reports/bench && echo ratio > reports/bench/cache.json',
  harness: `echo '2 passed, 0 failed'`,
  'red-team': measures('red-team'),
  soak: measures('soak'),
}

/** The pipeline of the night itself, with programs that do nothing but write. */
async function runNightly({ args = [], variables = {}, instead = {} }: Night = {}): Promise<Ended> {
  const root = test.info().outputPath('clone')
  const programs = join(root, 'programs')
  await mkdir(join(root, '.ci'), { recursive: true })
  await mkdir(programs)
  for (const file of ['nightly', 'steps.sh']) await cp(join(ROOT, '.ci', file), join(root, '.ci', file))
  const cases = Object.entries(TOOLS).map(([step, command]) => {
    const body = instead[step as Step] ?? DONE[step as Step]
    return `'${command}')\n${body}\n;;`
  })
  const log = `echo "$0 $*|INTENSITY=$INTENSITY VERIFY=$VERIFY SOAK_MINUTES=$SOAK_MINUTES CI=$CI" >> ran`
  for (const name of ['npm', 'npx']) {
    const text = `#!/bin/bash\n${log}\ncase "${name} $*" in\n${cases.join('\n')}\nesac\n`
    await writeFile(join(programs, name), text)
    await chmod(join(programs, name), 0o755)
  }
  await mkdir(join(root, 'reports'))
  await writeFile(join(root, 'reports/history.jsonl'), 'last night\n')
  const inherited = inheritedEnvironment()
  const env = { ...inherited, PATH: [programs, inherited['PATH']].join(delimiter), ...variables }
  const fileOf = (path: string): Promise<string> => readFile(join(root, path), 'utf8')
  const ended = await new Promise<Pick<Ended, 'code' | 'lines' | 'stderr'>>((resolve) => {
    execFile('bash', [join(root, '.ci/nightly'), ...args], { env }, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), lines: stdout.trim().split('\n'), stderr }),
    )
  })
  const ran = existsSync(join(root, 'ran')) ? await fileOf('ran') : ''
  return { ...ended, ran: ran.replaceAll(`${programs}/`, '').trim().split('\n'), fileOf }
}

test('the pipeline of the night runs every step once, in full', async () => {
  const { code, lines, ran } = await runNightly()
  expect(ran).toEqual([
    'npm ci|INTENSITY= VERIFY= SOAK_MINUTES= CI=true',
    'npm run coverage|INTENSITY=full VERIFY= SOAK_MINUTES= CI=true',
    'npm run verify|INTENSITY= VERIFY=full SOAK_MINUTES= CI=true',
    'npm run bench|INTENSITY= VERIFY= SOAK_MINUTES= CI=true',
    'npm run test:harness|INTENSITY= VERIFY= SOAK_MINUTES= CI=true',
    'npm run test:red-team|INTENSITY= VERIFY=normal SOAK_MINUTES= CI=true',
    'npx playwright test --project=soak|INTENSITY= VERIFY=full SOAK_MINUTES=45 CI=true',
  ])
  expect({ code, lastLine: lines.at(-1) }).toEqual({ code: 0, lastLine: '17 passed, 0 failed' })
})

test('the pipeline of the night keeps what each step has said and reported, and the history of the nights before', async () => {
  const { fileOf, lines } = await runNightly()
  for (const step of ['verify', 'red-team', 'soak']) {
    expect(await fileOf(`reports/nightly/${step}/latest/index.html`)).toBe(`${step}\n`)
    expect(await fileOf(`reports/nightly/${step}/output.log`)).toContain('2 passed, 0 failed')
  }
  expect(await fileOf('reports/nightly/functional/coverage/index.html')).toBe('covered\n')
  expect(await fileOf('reports/nightly/bench/bench/cache.json')).toBe('ratio\n')
  expect(await fileOf('reports/history.jsonl')).toBe('last night\nverify\nred-team\nsoak\n')
  const summary = 'verify: passed, 2 passed, 0 failed; targets: 3 met, 0 missed, 1 undecided'
  expect(lines).toContain(summary)
  expect(await fileOf('reports/nightly/steps.txt')).toContain(summary)
})

test('the pipeline of the night can be a short one, of named steps', async () => {
  const variables = { NIGHTLY_SOAK_MINUTES: '2', INTENSITY: 'tenth', VERIFY: 'quick' }
  const { code, ran } = await runNightly({ args: ['soak', 'functional', 'verify'], variables })
  expect(ran).toEqual([
    'npm ci|INTENSITY=tenth VERIFY=quick SOAK_MINUTES= CI=true',
    'npx playwright test --project=soak|INTENSITY=tenth VERIFY=full SOAK_MINUTES=2 CI=true',
    'npm run coverage|INTENSITY=tenth VERIFY=quick SOAK_MINUTES= CI=true',
    'npm run verify|INTENSITY=tenth VERIFY=quick SOAK_MINUTES= CI=true',
  ])
  expect(code).toBe(0)
})

for (const { title, instead, code, lastLine } of [
  {
    title: 'a step that has counted failures',
    instead: { verify: `echo '1 passed, 2 failed'; exit 1` },
    code: 1,
    lastLine: '16 passed, 2 failed',
  },
  {
    title: 'a step that breaks without a count',
    instead: { bench: 'exit 1' },
    code: 1,
    lastLine: '17 passed, 1 failed',
  },
  {
    title: 'verify with something undecided',
    instead: { verify: `echo '2 passed, 0 failed'; exit 2` },
    code: 0,
    lastLine: '17 passed, 0 failed',
  },
  {
    title: 'verify with something void',
    instead: { verify: `echo '2 passed, 0 failed'; exit 3` },
    code: 0,
    lastLine: '17 passed, 0 failed',
  },
  {
    title: 'verify with wrong replies',
    instead: { verify: `echo '1 passed, 1 failed'; exit 3` },
    code: 1,
    lastLine: '16 passed, 1 failed',
  },
  {
    title: 'verify with too few decided',
    instead: { verify: `echo '2 passed, 0 failed'; exit 6` },
    code: 1,
    lastLine: '17 passed, 1 failed',
  },
  {
    title: 'a soak with the exit code of misuse',
    instead: { soak: 'exit 2' },
    code: 1,
    lastLine: '15 passed, 1 failed',
  },
  { title: 'tests that count nothing', instead: { harness: 'true' }, code: 1, lastLine: '15 passed, 1 failed' },
  {
    title: 'tests of which none has run',
    instead: { soak: `echo '0 passed, 0 failed'` },
    code: 1,
    lastLine: '15 passed, 1 failed',
  },
  {
    title: 'tests that have skipped some',
    instead: { harness: `echo '1 passed, 0 failed, 4 skipped'` },
    code: 0,
    lastLine: '16 passed, 0 failed, 4 skipped',
  },
] as const) {
  test(`the pipeline of the night goes on after ${title}, and ends with ${code}`, async () => {
    const ended = await runNightly({ instead })
    expect(ended.ran).toHaveLength(7)
    expect({ code: ended.code, lastLine: ended.lines.at(-1) }).toEqual({ code, lastLine })
  })
}

test('without its dependencies the pipeline of the night ends at once', async () => {
  const { code, ran, lines } = await runNightly({ instead: { install: 'exit 1' } })
  expect(ran).toHaveLength(1)
  expect({ code, lastLine: lines.at(-1) }).toEqual({ code: 1, lastLine: '0 passed, 1 failed' })
})

for (const minutes of ['0', '61', 'long', '1.5', '-3', '']) {
  test(`a soak of "${minutes}" minutes is ${minutes === '' ? 'the usual one' : 'refused'}`, async () => {
    const { code, stderr, ran } = await runNightly({ args: ['soak'], variables: { NIGHTLY_SOAK_MINUTES: minutes } })
    if (minutes === '') return expect(ran[1]).toContain('SOAK_MINUTES=45')
    expect(code).toBe(2)
    expect(stderr).toContain('NIGHTLY_SOAK_MINUTES')
    expect(ran).toEqual([''])
  })
}

test('the steps of the night end within six hours, whatever hangs and however long the soak is', async () => {
  const { lines } = await runNightly({ variables: { NIGHTLY_SOAK_MINUTES: '60' } })
  const limits = lines.flatMap((line) =>
    [...line.matchAll(/\(at most (\d+) s\)$/g)].map(([, seconds]) => Number(seconds)),
  )
  expect(limits).toHaveLength(7)
  expect(limits.reduce((sum, seconds) => sum + seconds + KILL_AFTER_SECONDS, 0)).toBeLessThan(MAX_SECONDS)
})

test('the workflow of the night runs the pipeline of the night, and hands its history from night to night', async () => {
  const workflow = await readFile(join(ROOT, '.github/workflows/nightly.yml'), 'utf8')
  expect(workflow).toMatch(/^ {4}- cron: /m)
  expect(workflow).toMatch(/^ +- run: \.ci\/nightly$/m)
  const [restore, run, save, upload] = ['cache/restore@', 'run: .ci/nightly', 'cache/save@', 'upload-artifact@'].map(
    (word) => workflow.indexOf(word),
  ) as [number, number, number, number]
  expect([restore, run, save, upload]).toEqual([restore, run, save, upload].toSorted((one, other) => one - other))
  expect(restore).toBeGreaterThan(0)
  expect(workflow.match(/^ +path: reports\/history\.jsonl$/gm)).toHaveLength(2)
})
