import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from '@playwright/test'
import { inheritedEnvironment } from '#fixtures/services/environment.ts'
import packageJson from '../../package.json' with { type: 'json' }

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** Of `npm run verify` 2 says something else: that nothing could be decided. */
const MISUSE: Readonly<Record<string, number>> = { 'npm run verify': 4 }

/** Scripts that are Playwright itself: it explains itself, and misuse is 1. */
const PLAYWRIGHT = Object.entries(packageJson.scripts)
  .filter(([, line]) => line.startsWith('playwright test'))
  .map(([script]) => script)

interface CommandUnderTest {
  readonly name: string
  readonly command: readonly [program: string, ...args: string[]]
}

const COMMANDS: readonly CommandUnderTest[] = [
  ...Object.keys(packageJson.scripts)
    .filter((script) => !PLAYWRIGHT.includes(script))
    .map((script): CommandUnderTest => ({
      name: script === 'start' ? 'npm start' : `npm run ${script}`,
      command: ['npm', 'run', '--silent', script, '--'],
    })),
  ...['fixtures/setup.ts', 'fixtures/commands/pull-images.ts', 'server/main.ts'].map((file): CommandUnderTest => ({
    name: `npx node ${file}`,
    command: [process.execPath, file],
  })),
  ...[
    '.ci/run',
    '.ci/lanes/embedded',
    '.ci/lanes/auto',
    '.ci/lanes/containers',
    '.ci/lanes/measurements',
    '.ci/nightly',
  ].map((file): CommandUnderTest => ({
    name: file,
    command: ['bash', file],
  })),
]

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function run(command: CommandUnderTest['command'], args: readonly string[], variables: Record<string, string>) {
  const [program, ...first] = command
  const env = { ...inheritedEnvironment(), ...variables }
  return new Promise<Ended>((resolve) => {
    execFile(program, [...first, ...args], { cwd: ROOT, env }, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    )
  })
}

/** Whatever reads its configuration, and so whatever goes on to do something, fails with these. */
const unusable = () => {
  const state = join(test.info().outputPath(), 'state')
  return { REDIS_URL: 'none', PORT: 'none', VERIFY: 'none', SERVICES: 'none', HOTPATH_STATE: state }
}

for (const { name, command } of COMMANDS) {
  test(`${name} --help says how it is used and what its exit codes mean, and does nothing else`, async () => {
    const variables = unusable()
    const { code, stdout, stderr } = await run(command, ['--help'], variables)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout.split('\n')[0]).toContain(`Usage: ${name}`)
    expect(stdout).toMatch(/\n\nOptions\n( {2}.+\n)* {2}--help +this text\n/)
    expect(stdout).toMatch(/\n\nExamples\n {2}\S/)
    expect(stdout).toMatch(/\n\nExit codes\n {2}0 +\S/)
    expect(existsSync(variables.HOTPATH_STATE)).toBe(false)
  })

  test(`${name} --nonsense is one line that names it, and does nothing`, async () => {
    const variables = unusable()
    const { code, stdout, stderr } = await run(command, ['--nonsense'], variables)
    expect({ code, stdout }).toEqual({ code: MISUSE[name] ?? 2, stdout: '' })
    expect(stderr).toMatch(/^[^\n]*--nonsense[^\n]*\n$/)
    expect(existsSync(variables.HOTPATH_STATE)).toBe(false)
  })
}

for (const script of PLAYWRIGHT) {
  test(`npm run ${script} --help is that of Playwright`, async () => {
    const { code, stdout } = await run(['npm', 'run', '--silent', script, '--'], ['--help'], unusable())
    expect(code).toBe(0)
    expect(stdout).toMatch(/^Usage: npx playwright test /)
  })

  for (const [args, fault] of [
    ['--nonsense', "unknown option '--nonsense'"],
    ['-g', "option '-g, --grep <grep>' argument missing"],
  ] as const) {
    test(`npm run ${script} -- ${args} is refused in one line that says why`, async () => {
      const { code, stdout, stderr } = await run(['npm', 'run', '--silent', script, '--'], [args], unusable())
      expect({ code, stdout, stderr }).toEqual({ code: 1, stdout: '', stderr: `error: ${fault}\n` })
    })
  }
}

for (const [name, choices] of [
  ['VERIFY', 'quick or normal or full'],
  ['INTENSITY', 'full'],
] as const) {
  test(`npm test refuses ${name}=much, and says what there is`, async () => {
    const args = ['architecture/layers', ...ownOutput()]
    const { code, stdout, stderr } = await run(['npm', 'run', '--silent', 'test', '--'], args, { [name]: 'much' })
    expect(stdout + stderr).toContain(`${name} is ${choices}, and not "much"`)
    expect(code).toBe(1)
  })
}

/** A pattern that no title matches, not even one that quotes it. */
const NOWHERE = '(?!)'

/** A run within this run empties its output directory: it gets one of its own. */
const ownOutput = (): readonly string[] => ['--output', test.info().outputPath('inner')]

for (const [args, why] of [
  [['--list'], ' (a list only)'],
  [['-g', NOWHERE, '--pass-with-no-tests'], ''],
] as const) {
  test(`npm run verify -- ${args.join(' ')} has measured nothing: that is said, and is no pass`, async () => {
    test.setTimeout(120_000)
    const { code, stdout } = await run(['npm', 'run', '--silent', 'verify', '--'], [...args, ...ownOutput()], {})
    expect(code).toBe(5)
    expect(stdout.trimEnd().split('\n').at(-1)).toBe(
      `verify: nothing: no measurement was taken, so nothing is proved${why} (exit code 5)`,
    )
  })
}

test('npm run verify of a deployed backend with nothing but tests that need a server of our own is no pass', async () => {
  test.setTimeout(120_000)
  const args = ['-g', 'a server of our own, looked into', ...ownOutput()]
  const { code, stdout } = await run(['npm', 'run', '--silent', 'verify', '--'], args, {
    BASE_URL: 'http://127.0.0.1:9',
  })
  expect(stdout).toMatch(/verify: nothing: .* \(\d+ tests were skipped\) \(exit code 5\)/)
  expect(code).toBe(5)
})

test('a run of tests that finds none, told to pass with none, has not passed', async () => {
  test.setTimeout(120_000)
  const args = ['architecture/layers', '-g', NOWHERE, '--pass-with-no-tests', ...ownOutput()]
  const { code, stdout } = await run(['npm', 'run', '--silent', 'test', '--'], args, {})
  expect(stdout).toContain('No test has run')
  expect(code).toBe(1)
})

for (const [script, args, fault] of [
  ['bench', ['no-benchmark'], "no benchmark is called 'no-benchmark'"],
  ['baseline', ['now'], "unexpected argument 'now'"],
  ['verify', ['--reporter=dot'], '--reporter would take the place of the report'],
  ['verify', ['-g'], "option '-g, --grep <grep>' argument missing"],
  ['verify', ['merge'], "'merge' takes one directory, and nothing else"],
  ['verify', ['merge', 'nowhere'], "there is no directory 'nowhere'"],
  ['verify', ['merge', 'docs'], "'docs' holds no blob report (*.zip)"],
] as const) {
  test(`npm run ${script} -- ${args.join(' ')} is refused in one line that says why`, async () => {
    const { code, stdout, stderr } = await run(['npm', 'run', '--silent', script, '--'], args, unusable())
    expect({ code, stdout }).toEqual({ code: MISUSE[`npm run ${script}`] ?? 2, stdout: '' })
    expect(stderr).toContain(fault)
    expect(stderr).toMatch(/^[^\n]*\n$/)
  })
}
