import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { inheritedEnvironment } from '#fixtures/services/environment.ts'
import { findRedisServer } from '#fixtures/services/redis/find-redis-server.ts'
import { expect, test } from '#fixtures/test.ts'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const CLI = join(ROOT, 'node_modules/@playwright/test/cli.js')

/** One passes, one fails behind a request that the server logs, one fails on a page. */
const SPEC = `
import { expect, test } from '#fixtures/test.ts'
test('passes', async ({ app }) => {})
test('fails', async ({ app }) => {
  await app.anonymous.get('/api/v1/lessons?asked=by-the-test')
  expect(1).toBe(2)
})
test('fails on a page', async ({ page }) => {
  await page.setContent('<h1>broken</h1>')
  expect(1).toBe(2)
})
test('fails behind much output', async ({ serverEnvironment }) => {
  const { startServerProcess } = await import('#fixtures/playwright/server-process.ts')
  const entry = import.meta.dirname + '/talkative.ts'
  await using server = await startServerProcess({ entry, environment: {} })
  await expect.poll(() => server.output()).toContain('the last line')
  expect(1).toBe(2)
})`

const TALKATIVE = `
for (let line = 0; line < 20_000; line += 1) console.log('line ' + line + ' ' + 'x'.repeat(40))
console.log('the last line, told ' + process.env.LOG_LEVEL + ' and ' + process.env.DEBUG)
console.log(JSON.stringify({ msg: 'listening', url: 'http://127.0.0.1:1' }))
setInterval(() => {}, 1_000)`

const Attachment = z.object({ name: z.string(), path: z.string().optional(), body: z.string().optional() })
const Report = z.object({
  suites: z.array(
    z.object({
      specs: z.array(
        z.object({
          title: z.string(),
          line: z.number(),
          tests: z.array(z.object({ results: z.array(z.object({ attachments: z.array(Attachment) })) })),
        }),
      ),
    }),
  ),
})

interface Evidence {
  readonly line: number
  readonly names: readonly string[]
  readonly text: (name: string) => string
  /** Files that were attached and are there. */
  readonly files: readonly string[]
}

/** Runs the specs above as they would run in the project, and answers what each test has left. */
async function evidenceOf(variables: Readonly<Record<string, string>>): Promise<Map<string, Evidence>> {
  // Below the project, so that what it imports is found.
  const directory = join(ROOT, '.hotpath', `failure-evidence-${randomUUID()}`)
  await mkdir(directory, { recursive: true })
  try {
    const own = `import config from '../../playwright.config.ts'
      export default { ...config, globalSetup: '../../fixtures/playwright/global-setup.ts', testMatch: '*.spec.ts',
        testDir: '.', outputDir: 'out', reporter: [['json', { outputFile: 'report.json' }], ['html', { open: 'never', outputFolder: 'html' }]],
        workers: 1, projects: [{ name: 'inner' }] }`
    await writeFile(join(directory, 'playwright.config.ts'), own)
    await writeFile(join(directory, 'some.spec.ts'), SPEC)
    await writeFile(join(directory, 'talkative.ts'), TALKATIVE)
    const env = { ...inheritedEnvironment(), ...variables }
    const printed = await new Promise<string>((resolve) => {
      execFile(process.execPath, [CLI, 'test'], { cwd: directory, env }, (_error, stdout, stderr) =>
        resolve(stdout + stderr),
      )
    })
    expect(existsSync(join(directory, 'report.json')), printed).toBe(true)
    const { suites } = Report.parse(JSON.parse(await readFile(join(directory, 'report.json'), 'utf8')))
    expect(existsSync(join(directory, 'html/index.html'))).toBe(true)
    expect(existsSync(join(directory, 'out/.logs'))).toBe(false)
    return new Map(
      suites.flatMap(({ specs }) =>
        specs.map(({ title, line, tests }) => {
          const attachments = tests.flatMap(({ results }) => results.flatMap((result) => result.attachments))
          const evidence: Evidence = {
            line,
            names: attachments.map(({ name }) => name),
            text: (name) =>
              Buffer.from(attachments.find((one) => one.name === name)?.body ?? '', 'base64').toString('utf8'),
            files: attachments.flatMap(({ name, path = '' }) => (existsSync(path) ? [name] : [])),
          }
          return [title, evidence] as const
        }),
      ),
    )
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

test('a test that fails leaves its trace, a screenshot, the logs of its server and services, and how to repeat it', async ({
  ownServices,
}) => {
  test.setTimeout(180_000)
  // Without a redis-server the services come in containers.
  const isEmbedded = (await findRedisServer()) !== undefined
  const SERVICES = isEmbedded ? 'embedded' : 'containers'
  const [postgres, redis, pusher] = isEmbedded
    ? ['log: postgres', 'log: redis_server', 'log: pusher_server']
    : ['log: postgres_container', 'log: redis_container', 'log: soketi_container']
  const evidence = await evidenceOf({ ...ownServices.variables, SERVICES, SEED: '4711', DEBUG: 'hotpath:*' })
  const [passed, failed, page, talkative] = ['passes', 'fails', 'fails on a page', 'fails behind much output'].map(
    (title) => evidence.get(title),
  )
  expect(passed?.names).toEqual([])
  const logs = ['log: server', postgres, redis, pusher]
  expect(failed?.names).toEqual(expect.arrayContaining(['how to repeat it', 'trace', ...logs]))
  expect(failed?.text('how to repeat it')).toBe(
    `SEED=4711 SERVICES=${SERVICES} npx playwright test some.spec.ts:${failed?.line} --project=inner`,
  )
  expect(failed?.text('log: server')).toContain('/api/v1/lessons')
  expect(failed?.text(redis)).toContain('Ready to accept connections')
  expect(failed?.text(postgres)).toContain('database system is ready to accept connections')
  expect(page?.files).toEqual(expect.arrayContaining(['screenshot', 'trace']))
  expect(talkative?.text('log: server')).toContain('the last line, told debug and hotpath:*')
  expect(talkative?.text('log: server').length).toBeLessThanOrEqual(200_000)
})
