import { readFile, writeFile } from 'node:fs/promises'
import type { Browser } from '@playwright/test'
import { signInClients } from '#fixtures/backend/clients.ts'
import { createScenario } from '#fixtures/backend/create-scenario.ts'
import { loadConfig } from '#fixtures/backend/load-config.ts'
import { SEEDED_PASSWORD } from '#fixtures/data/seeded-password.ts'
import type { App } from '#fixtures/playwright/app-fixtures.ts'
import { scenarioFromHar } from '#fixtures/scenario/from-har.ts'
import { expect, test } from '#fixtures/test.ts'
import { seededRandom } from '#measurement/random.ts'

/** What somebody does in a page, as the page asks for it. Runs in the browser. */
async function useTheSchool({ password }: { readonly password: string }): Promise<string> {
  let token = ''
  const ask = async (path: string, method = 'GET', body?: object): Promise<{ readonly [name: string]: unknown }> => {
    const authorization = token === '' ? {} : { authorization: `Bearer ${token}` }
    const headers = { 'content-type': 'application/json', ...authorization }
    const reply = await fetch(path, { method, headers, ...(body && { body: JSON.stringify(body) }) })
    return (await reply.json().catch(() => ({}))) as { readonly [name: string]: unknown }
  }
  const session = await ask('/api/v1/auth/sign-in', 'POST', { username: 'student1', password })
  token = String(session['token'])
  const lessons = (await ask('/api/v1/lessons'))['lessons'] as readonly { readonly id: string }[]
  const [first, second, third] = lessons.map(({ id }) => id)
  for (const id of [first, second, third, first]) await ask(`/api/v1/lessons/${id}`)
  await ask('/api/v1/dashboard/overview')
  await ask('/api/v1/content?limit=5')
  await ask('/api/v1/content?limit=6')
  await ask(`/api/v1/lessons/${first}/progress`, 'PUT', { percent: 40, timeSpentSec: 60 })
  await ask('/api/v1/lessons/00000000-0000-4000-8000-000000000000')
  return token
}

async function record(browser: Browser, app: App): Promise<{ readonly har: string; readonly token: string }> {
  const file = test.info().outputPath('session.har')
  const context = await browser.newContext({ recordHar: { path: file } })
  const page = await context.newPage()
  await page.goto(`${app.url}/`)
  const token = await page.evaluate(useTheSchool, { password: SEEDED_PASSWORD })
  await context.close()
  return { har: await readFile(file, 'utf8'), token }
}

test('of what a browser did a scenario is made that asks the same again, and recognises the replies', async ({
  app,
  browser,
}) => {
  const { har, token } = await record(browser, app)
  const { text, toDo } = scenarioFromHar(har, 'session.har')
  await test.info().attach('hotpath.config.mjs', { body: text })

  expect(text).not.toContain(token)
  expect(text).not.toContain(SEEDED_PASSWORD)
  expect(toDo).toContain('clients.context: who signs in (username, password)')
  expect(toDo.join('\n')).toMatch(/left out, 1: answered with an error/)
  expect(toDo.join('\n')).toMatch(/left out, \d+: pages and files/)

  const file = test.info().outputPath('hotpath.config.mjs')
  await writeFile(file, text.replace('FILL IN: username', 'student1').replace('FILL IN: password', SEEDED_PASSWORD))
  const config = await loadConfig(file)
  expect(Object.fromEntries(config.requests.map(({ name, weight }) => [name, weight]))).toMatchObject({
    'GET /api/v1/lessons': 1,
    'GET /api/v1/content?limit': 2,
    'GET /api/v1/lessons/:lessonId': 4,
    'GET /api/v1/dashboard/overview': 1,
    'PUT /api/v1/lessons/:lessonId/progress': 1,
  })

  const clients = await signInClients(config, app.url)
  const scenario = createScenario(config)
  const context = scenario.parseContext({ url: app.url, clients })
  const random = seededRandom(1)
  for (const request of scenario.requests) {
    const { name } = request
    const { method, path, headers, body, expected } = request.build({ context, random, index: 0 })
    const own = scenario.clients?.headersOf(context, 0)
    const reply = await fetch(app.url + path, { method, headers: { ...own, ...headers }, ...(body && { body }) })
    const answer = { status: reply.status, headers: {}, body: await reply.text() }
    expect(request.verify(answer, expected), name).toBe(true)
    expect(request.verify({ ...answer, status: 500 }, expected), name).toContain('status 500')
    expect(request.verify({ ...answer, body: '{"code":"other"}' }, expected), name).not.toBe(true)
  }
})
