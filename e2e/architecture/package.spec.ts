import { execFile } from 'node:child_process'
import { glob, mkdtemp, readFile, rm } from 'node:fs/promises'
import { builtinModules } from 'node:module'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from '@playwright/test'
import { PROJECT_ROOT } from '#fixtures/command-line/project-root.ts'
import { buildPackage } from '#fixtures/package/build-package.ts'

const run = promisify(execFile)
const tool = (name: string): string => path.join(PROJECT_ROOT, 'node_modules/.bin', name)

interface Manifest {
  readonly exports: Readonly<Record<string, unknown>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly peerDependencies: Readonly<Record<string, string>>
}

// One build for all of them.
test.describe.configure({ mode: 'serial', timeout: 120_000 })

let folder: string
let built: string

test.beforeAll(async () => {
  folder = await mkdtemp(path.join(PROJECT_ROOT, '.build-'))
  built = path.join(folder, 'dist')
  expect(await buildPackage(built)).toBe(true)
})

test.afterAll(() => rm(folder, { recursive: true, force: true }))

const manifest = async (): Promise<Manifest> => JSON.parse(await readFile(path.join(built, 'package.json'), 'utf8'))

test('publint has nothing to say of the package', async () => {
  const { stdout } = await run(tool('publint'), [built, '--strict'])
  expect(stdout).toContain('All good!')
})

test('its types are found and are right for whoever imports it as ES modules', async () => {
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: built })
  const { stdout: found } = await run(tool('attw'), [path.join(folder, stdout.trim()), '--profile', 'esm-only'])
  // Whatever is wrong is an exit code besides.
  expect(found.match(/node16 \(from ESM\): 🟢 \(ESM\)/g)).toHaveLength(5)
  expect(found.match(/bundler: 🟢/g)?.length).toBeGreaterThanOrEqual(5)
})

test('code and types import their own files and what the manifest names, and nothing else', async () => {
  const { dependencies, peerDependencies } = await manifest()
  const known = new Set([...Object.keys(dependencies), ...Object.keys(peerDependencies)])
  const imported = new Set<string>()
  for await (const file of glob('**/*.{js,d.ts}', { cwd: built })) {
    const code = await readFile(path.join(built, file), 'utf8')
    for (const [, specifier = ''] of code.matchAll(/(?:from |import |import\()['"]([^'"]+)['"]/g)) {
      if (specifier.startsWith('.')) {
        expect(specifier, file).toMatch(/\.js$/)
        expect(path.relative(built, path.resolve(built, path.dirname(file), specifier)), file).not.toMatch(/^\.\./)
      } else if (!specifier.startsWith('node:')) imported.add(specifier)
    }
  }
  expect([...imported].filter((name) => !known.has(name))).toEqual([])
  expect([...known].filter((name) => !imported.has(name))).toEqual([])
  expect(builtinModules.filter((name) => imported.has(name))).toEqual([])
})

test('every entry of the manifest is there and can be loaded', async () => {
  const { exports } = await manifest()
  const files = Object.values(exports).filter((entry): entry is { types: string; default: string } => {
    return typeof entry === 'object' && entry !== null && !JSON.stringify(entry).includes('*')
  })
  expect(files.length).toBeGreaterThanOrEqual(5)
  for (const entry of files) {
    expect(await readFile(path.join(built, entry.types), 'utf8')).toContain('export')
    const loading = `const all = await import(${JSON.stringify(path.join(built, entry.default))}); process.stdout.write(String(Object.keys(all).length))`
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', loading])
    expect(Number(stdout)).toBeGreaterThan(0)
  }
})
