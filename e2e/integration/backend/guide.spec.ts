import { execFile } from 'node:child_process'
import { cp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { signInClients } from '#fixtures/backend/clients.ts'
import type { BackendConfig } from '#fixtures/backend/config.ts'
import { toBuiltRequest } from '#fixtures/backend/create-scenario.ts'
import { planDeployed } from '#fixtures/backend/deployed-plan.ts'
import { loadConfig } from '#fixtures/backend/load-config.ts'
import { startBackend } from '#fixtures/backend/start-backend.ts'
import { PROJECT_ROOT } from '#fixtures/command-line/project-root.ts'
import { readCodeBlocks } from '#fixtures/guides/code-blocks.ts'
import { inheritedEnvironment } from '#fixtures/services/environment.ts'
import { expect, test } from '#fixtures/test.ts'

const NOTES = join(PROJECT_ROOT, 'fixtures/examples/notes')

const page = () => readCodeBlocks('docs/verify-your-backend.md')

/** The example, with the config of the page in place of its own. */
async function writeGuide(): Promise<{ readonly directory: string; readonly file: string }> {
  const directory = test.info().outputPath('notes')
  await cp(NOTES, directory, { recursive: true })
  const file = join(directory, 'hotpath.config.mjs')
  await writeFile(file, (await page()).text('hotpath.config.mjs'))
  return { directory, file }
}

test('the config of the page starts the example, signs its clients in, and each request is answered as it should be', async () => {
  const { directory, file } = await writeGuide()
  const config = await loadConfig(file)
  await using backend = await startBackend(config, { directory })
  const clients = await signInClients(config, backend.url)
  expect(clients).toHaveLength(2)
  for (const request of config.requests) {
    const [client] = clients
    if (client === undefined) throw new Error('nobody has signed in')
    const built = toBuiltRequest(request.build({ client, clients, random: () => 0, index: 0 }))
    const { method, headers, body } = built
    const init = { method, headers: { ...client.headers, ...headers }, ...(body === undefined ? {} : { body }) }
    const reply = await fetch(backend.url + built.path, init)
    const seen = { status: reply.status, headers: {}, body: await reply.text() }
    expect(request.verify?.(seen, built.expected) ?? reply.ok, request.name).toBe(true)
  }
})

test('the server of the page that runs already is one of which its owner is asked', async () => {
  const code = (await page()).text('server of hotpath.config.mjs')
  const file = test.info().outputPath('server.mjs')
  await writeFile(file, code)
  const { server } = (await import(file)) as Pick<BackendConfig, 'server'>
  const base = await loadConfig(join(NOTES, 'hotpath.config.mjs'))
  expect(planDeployed({ ...base, server }, 'quick')?.url).toBe('https://notes.example/base')
})

test('the spec of the page passes with the fixtures that it imports', async ({ ownServices }) => {
  test.setTimeout(180_000)
  const { file } = await writeGuide()
  const spec = join(PROJECT_ROOT, `e2e/own/planted-${process.pid}.spec.ts`)
  await writeFile(spec, (await page()).text('e2e/own/notes.spec.ts'))
  try {
    const env = {
      ...inheritedEnvironment(),
      ...ownServices.variables,
      HOTPATH_CONFIG: file,
      HOTPATH_REPORTS: test.info().outputPath('reports'),
      VERIFY: 'quick',
    }
    const args = ['playwright', 'test', '--project=own', spec, `--output=${test.info().outputPath('inner')}`]
    const { code, output } = await new Promise<{ code: number; output: string }>((resolve) => {
      execFile('npx', args, { cwd: PROJECT_ROOT, env }, (error, stdout, stderr) =>
        resolve({ code: Number(error?.code ?? 0), output: stdout + stderr }),
      )
    })
    expect(output).toContain('2 passed')
    expect(code).toBe(0)
  } finally {
    await rm(spec)
  }
})
