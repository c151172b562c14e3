import { execFile } from 'node:child_process'
import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from '@playwright/test'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const CLI = join(ROOT, 'node_modules/@playwright/test/cli.js')

/** A run on a machine with nothing but Node: no redis-server, no browser, and nothing to install them with. */
async function runOnBareMachine(args: readonly string[]): Promise<{ code: number; output: string }> {
  const programs = test.info().outputPath('programs')
  await mkdir(programs, { recursive: true })
  await symlink(process.execPath, join(programs, 'node'))
  const env = { PATH: programs, HOME: programs, SERVICES: 'embedded' }
  const words = [CLI, 'test', '--output', test.info().outputPath('inner'), ...args]
  return new Promise((resolve) => {
    execFile(process.execPath, words, { cwd: ROOT, env }, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), output: stdout + stderr }),
    )
  })
}

test.describe.configure({ timeout: 90_000 })

test('a run that needs what the machine lacks and may not install says what to run, and nothing else', async () => {
  const { code, output } = await runOnBareMachine(['e2e/integration/http/health.spec.ts'])
  expect(code).toBe(1)
  expect(output).toMatch(
    /^A Redis server \(.*\) is missing\.\n {2}- .*\nRun one of these and try again:\n( {4}\S.*\n)+See docs\/\S+\n\n/,
  )
  expect(output).not.toMatch(/^\s+at |browser/m)
})

test('a run that needs neither services nor a browser does without them', async () => {
  const { code, output } = await runOnBareMachine(['fixtures/command-line/playwright-arguments.test.ts'])
  expect(output).toMatch(/^\d+ passed, 0 failed$/m)
  expect(code).toBe(0)
})
