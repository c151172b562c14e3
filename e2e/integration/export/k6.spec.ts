import { readFile, stat, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { exported, runProgram, writeSchoolConfig } from '#fixtures/export/exported-school.ts'
import { startServerProcess } from '#fixtures/playwright/server-process.ts'
import { SCHOOL_CONFIG } from '#fixtures/playwright/school-traffic.ts'
import { expect, test } from '#fixtures/test.ts'

const K6 = fileURLToPath(new URL('../../../fixtures/doubles/k6/runtime.process.ts', import.meta.url))

const K6Report = z.object({
  checks: z.array(z.object({ name: z.string(), passes: z.boolean() })),
  options: z.looseObject({
    thresholds: z.record(z.string(), z.array(z.string())),
    scenarios: z.record(z.string(), z.looseObject({})),
  }),
})

async function iterate(directory: string, iterations: number): Promise<z.infer<typeof K6Report>> {
  const { code, output } = await runProgram(process.execPath, [K6, `${directory}/script.js`, String(iterations)])
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

test("the school's own config is one script without a module of Node, and its replies are right", async ({
  serverEnvironment,
  seededDatabase,
}) => {
  test.setTimeout(120_000)
  // Other specs have changed the school, and the cache remembers theirs.
  await seededDatabase.reset()
  await using server = await startServerProcess({ environment: { ...serverEnvironment, OPTIMIZE_CACHE: 'off' } })
  const directory = await exported('k6', '--config', SCHOOL_CONFIG, '--url', server.url)
  expect(await readFile(`${directory}/script.js`, 'utf8')).not.toMatch(/from\s*"(?!k6)|require\("|node:/)
  const { checks, options } = await iterate(directory, 12)
  expect(checks).toHaveLength(12)
  expect(checks.filter(({ passes }) => !passes)).toEqual([])
  expect(options.scenarios['load']).toMatchObject({ rate: 18_000, timeUnit: '1m' })
  expect(options.thresholds).toMatchObject({ http_req_duration: ['p(95)<150', 'p(99)<200'], http_reqs: ['rate>20'] })
})

test('a module that exports a scenario is exported with its context, and its replies are right', async ({ app }) => {
  test.setTimeout(120_000)
  const file = test.info().outputPath('lessons.scenario.mjs')
  await writeFile(
    file,
    `export const scenario = {
  name: 'lessons',
  parseContext: (json) => json,
  requests: [{
    name: 'lessons',
    weight: 1,
    build: ({ context }) => ({ method: 'GET', path: '/api/v1/lessons', headers: { authorization: context.authorization } }),
    verify: ({ status, body }) => (status === 200 && Array.isArray(JSON.parse(body).lessons)) || 'no lessons',
  }],
}
`,
  )
  const context = test.info().outputPath('context.json')
  const { token } = await app.session('student1')
  await writeFile(context, JSON.stringify({ authorization: `Bearer ${token}` }))
  const directory = await exported('k6', '--config', file, '--context', context, '--url', app.url)
  const { checks } = await iterate(directory, 3)
  expect(checks).toEqual(Array.from({ length: 3 }, () => ({ name: 'lessons is answered right', passes: true })))
})

test('a config that uses a module of Node is refused for k6, with the name of the module', async () => {
  const file = test.info().outputPath('hotpath.config.mjs')
  await writeFile(
    file,
    `import { readFileSync } from 'node:fs'
export default { server: { url: 'http://127.0.0.1:9' }, requests: [{ name: 'a', build: () => ({ path: '/' + readFileSync }) }],
  ratePerSecond: 1, targets: { p95: '<1s' } }`,
  )
  // Named as for npm run verify.
  const args = ['run', '--silent', 'export', '--', 'k6', '-o', test.info().outputPath('k6')]
  const { code, output } = await runProgram('npm', args, { HOTPATH_CONFIG: file })
  expect(code).toBe(1)
  expect(output).toContain('Could not resolve "node:fs"')
})
