import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { createScenario } from '#fixtures/backend/create-scenario.ts'
import { loadConfig } from '#fixtures/backend/load-config.ts'
import { PROJECT_ROOT } from '#fixtures/command-line/project-root.ts'
import { expect, test } from '#fixtures/test.ts'
import { inheritedEnvironment } from '#fixtures/services/environment.ts'
import { seededRandom } from '#measurement/random.ts'

const run = promisify(execFile)

async function scenario(...words: readonly string[]): Promise<string> {
  const { stdout } = await run('npm', ['run', '--silent', 'scenario', '--', ...words], {
    cwd: PROJECT_ROOT,
    env: inheritedEnvironment(),
  })
  return stdout
}

test("of the school's own document a config is made, and replies of its reads are recognised", async ({ app }) => {
  const file = test.info().outputPath('hotpath.config.mjs')
  const printed = await scenario('from-openapi', `${app.url}/api/v1/openapi.json`, '--output', file)
  expect(printed).toContain('clients.context: where authorization comes from')
  expect(printed).toMatch(/an id that is there, of which the document gives no example: GET \/lessons\/\{\w+\}/)
  expect(printed).toContain('weights of what changes data, 0 now: ')

  const config = await loadConfig(file)
  expect(config.server).toEqual({ url: app.url })
  const { token } = await app.session('student1')
  const context = { url: app.url, clients: [{ headers: { authorization: `Bearer ${token}` }, ids: null, index: 0 }] }
  const asked: string[] = []
  for (const request of createScenario(config).requests) {
    const { name, weight } = request
    const { method, path, headers, expected } = request.build({ context, random: seededRandom(1), index: 0 })
    expect(weight, name).toBe(method === 'GET' ? 1 : 0)
    // Others want an id that a person fills in, or a role.
    if (method !== 'GET' || name.includes('{')) continue
    const { status, ...reply } = await app.signIn('student1').then((client) => client.get(path, { ...headers }))
    if (status !== 200) continue
    asked.push(name)
    expect(request.verify({ status, headers: {}, body: JSON.stringify(reply.body) }, expected), name).toBe(true)
    expect(request.verify({ status, headers: {}, body: '[null]' }, expected), name).not.toBe(true)
  }
  expect(asked).toEqual(expect.arrayContaining(['GET /lessons', 'GET /classes', 'GET /dashboard/overview']))
})

test('a config that is there is not written over, and a file that is none is named', async () => {
  const file = test.info().outputPath('hotpath.config.mjs')
  await writeFile(file, 'mine')
  const recording = test.info().outputPath('some.har')
  await writeFile(recording, '{"log":{"entries":[{}]}}')
  await expect(scenario('from-har', recording, '-o', file)).rejects.toThrow(/This is no HAR: log\.entries\.0\.request/)
  await writeFile(recording, JSON.stringify({ openapi: '3.1.0', paths: { '/a': { get: {} } } }))
  await expect(scenario('from-openapi', recording, '-o', file)).rejects.toThrow(/nothing is written: .*EEXIST/)
  expect(await readFile(file, 'utf8')).toBe('mine')
})
