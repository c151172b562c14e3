import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from '@playwright/test'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const OXLINT = join(ROOT, 'node_modules/.bin/oxlint')

/** Lints one planted file under the project's own rules, in a directory where nothing else stands. */
async function lint(file: string, code: string): Promise<{ passed: boolean; output: string }> {
  const root = await mkdtemp(join(tmpdir(), 'hotpath-layers-'))
  try {
    await cp(join(ROOT, '.oxlintrc.json'), join(root, '.oxlintrc.json'))
    await mkdir(dirname(join(root, file)), { recursive: true })
    await writeFile(join(root, file), code)
    const { stdout } = await run(OXLINT, [file], { cwd: root })
    return { passed: true, output: stdout }
  } catch (error) {
    return { passed: false, output: String((error as { stdout?: string }).stdout) }
  } finally {
    await rm(root, { recursive: true })
  }
}

/** Every border of the plan: who may not import what. */
const forbidden: readonly (readonly [file: string, specifier: string])[] = [
  ['optimizations/kernel/planted.ts', '#optimizations/cache/cache.ts'],
  ['optimizations/kernel/planted.ts', '../database/database.ts'],
  ['optimizations/kernel/planted.ts', '#server/app.ts'],
  ['optimizations/cache/planted.ts', '#optimizations/database/database.ts'],
  ['optimizations/cache/planted.ts', '../pusher/publisher.ts'],
  ['optimizations/cache/planted.ts', '#optimizations/manager/optimizations.ts'],
  ['optimizations/cache/planted.ts', '#server/entities/user.ts'],
  ['optimizations/cache/planted.ts', 'express'],
  ['optimizations/cache/planted.ts', '@mikro-orm/core'],
  ['optimizations/database/planted.ts', '#optimizations/cache/cache.ts'],
  ['optimizations/database/planted.ts', '../pusher/outbox.ts'],
  ['optimizations/database/planted.ts', 'ioredis'],
  ['optimizations/database/statements/planted.ts', '#server/entities/user.ts'],
  ['optimizations/pusher/planted.ts', '#optimizations/cache/cache.ts'],
  ['optimizations/pusher/planted.ts', '../database/outbox-store.ts'],
  ['optimizations/pusher/planted.ts', '#fixtures/test.ts'],
  ['optimizations/kernel/planted.ts', '#optimizations/express/drain.ts'],
  ['optimizations/cache/planted.ts', '#optimizations/express/drain.ts'],
  ['optimizations/database/planted.ts', '../express/drain.ts'],
  ['optimizations/pusher/planted.ts', '#optimizations/express/drain.ts'],
  ['optimizations/manager/planted.ts', '#optimizations/express/drain.ts'],
  ['optimizations/manager/planted.ts', '#server/app.ts'],
  ['optimizations/manager/planted.ts', '#fixtures/test.ts'],
  ['optimizations/express/planted.ts', '#server/entities/user.ts'],
  ['optimizations/express/planted.ts', '#optimizations/database/database.ts'],
  ['optimizations/express/rate-limit/planted.ts', '../../pusher/publisher.ts'],
  ['optimizations/express/planted.ts', '@mikro-orm/core'],
  ['optimizations/express/planted.ts', '#fixtures/test.ts'],
  ['optimizations/public/planted.ts', '#server/app.ts'],
  ['server/planted.ts', '#fixtures/data/seed.ts'],
  ['server/routes/planted.ts', '@playwright/test'],
  ['server/services/planted.ts', 'express'],
  ['server/services/planted.ts', '#server/http/problem.ts'],
  ['server/services/planted.ts', '#optimizations/cache/cache-key.ts'],
  ['fixtures/measurement/planted.ts', '#optimizations/kernel/errors.ts'],
  ['fixtures/measurement/load/planted.ts', '#server/app.ts'],
  ['fixtures/measurement/planted.ts', '../services/service.ts'],
  ['fixtures/command-line/planted.ts', '#optimizations/kernel/errors.ts'],
  ['fixtures/command-line/planted.ts', '../measurement/measurement.ts'],
]

for (const [file, specifier] of forbidden) {
  test(`${file} may not import ${specifier}`, async () => {
    const { passed, output } = await lint(
      file,
      `import type { Planted } from '${specifier}'\n\nexport type Kept = Planted\n`,
    )
    expect(output).toContain('no-restricted-imports')
    expect(passed).toBe(false)
  })
}

for (const [file, specifier] of [
  ['optimizations/cache/planted.ts', '#optimizations/kernel/errors.ts'],
  ['optimizations/manager/planted.ts', '#optimizations/cache/cache.ts'],
  ['optimizations/express/planted.ts', '#optimizations/manager/current-request.ts'],
  ['optimizations/express/planted.ts', 'express'],
  ['server/planted.ts', '#optimizations/express/drain.ts'],
  ['server/services/planted.ts', '#optimizations/cache/cache.ts'],
  ['server/services/readings.ts', '#optimizations/cache/cache-key.ts'],
  ['fixtures/playwright/planted.ts', '#server/app.ts'],
  ['fixtures/measurement/verify/planted.ts', '../../command-line/command.ts'],
] as const) {
  test(`${file} may import ${specifier}`, async () => {
    const { passed, output } = await lint(
      file,
      `import type { Planted } from '${specifier}'\n\nexport type Kept = Planted\n`,
    )
    expect(output).not.toContain('no-restricted-imports')
    expect(passed).toBe(true)
  })
}

for (const [what, code] of [
  ['getOrSet', 'export const kept = (cache: { getOrSet(key: string): string }): string => cache.getOrSet("a")\n'],
  ['cached', 'export const kept = (cache: { cached(key: string): string }): string => cache.cached("a")\n'],
  [
    'getOrSet, taken out of the cache',
    'export function kept(cache: { getOrSet(key: string): string }): string {\n  const { getOrSet } = cache\n  return getOrSet("a")\n}\n',
  ],
] as const) {
  test(`a service may not call ${what}, which readings.ts may`, async () => {
    const { passed, output } = await lint('server/services/planted.ts', code)
    expect(output).toContain('no-restricted-properties')
    expect(passed).toBe(false)
    expect((await lint('server/services/readings.ts', code)).output).not.toContain('no-restricted-properties')
  })
}

test('the environment is read in three places only', async () => {
  const reading = "export const home = process.env['HOME']\n"
  for (const file of ['server/app.ts', 'optimizations/cache/planted.ts', 'fixtures/playwright/planted.ts']) {
    expect((await lint(file, reading)).output, file).toContain('no-process-env')
  }
  for (const file of ['server/config.ts', 'fixtures/services/environment.ts', 'playwright.config.ts']) {
    expect((await lint(file, reading)).output, file).not.toContain('no-process-env')
  }
})
