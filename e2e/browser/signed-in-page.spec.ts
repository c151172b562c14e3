import type { Page } from '@playwright/test'
import { seededSchool } from '#fixtures/data/seed.ts'
import { SEEDED_PASSWORD } from '#fixtures/data/seeded-password.ts'
import { SchoolIndex } from '#fixtures/data/school-index.ts'
import { test } from '#fixtures/faults/breakable-fixtures.ts'
import { expect } from '#fixtures/test.ts'
import { createAccessTokens } from '#server/http/access-token.ts'

const school = new SchoolIndex(seededSchool())
/** Far below what a server may be configured with: its first token is exchanged for one that lives so long. */
const TTL_SEC = 8

/** Signs in with a token that runs out soon, and opens a lesson. */
async function signIn(page: Page, { url, secret, student }: { url: string; secret: string; student: string }) {
  const { id: classId } = school.classOf(student)
  const { title, id: lessonId } = school.lesson(classId)
  const tokens = createAccessTokens({ secret, ttlSec: TTL_SEC })
  let first = ''
  await page.route('**/auth/sign-in', async (route) => {
    const response = await route.fetch()
    // Only now, so that its time begins when the page has it.
    first = tokens.issue({ id: school.userId(student), role: 'student' })
    const json = { ...((await response.json()) as object), token: first, expiresInSec: TTL_SEC }
    await route.fulfill({ response, json })
  })
  await page.goto(url)
  await page.getByLabel('Name').fill(student)
  await page.getByLabel('Password').fill(SEEDED_PASSWORD)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('button', { name: title, exact: true }).first().click()
  await expect(page.locator('#channel')).toHaveText(`Joined private-class-${classId}`)
  return { lessonId, isOver: () => tokens.verify(first) === undefined }
}

test('a page whose first token ran out before Pusher was started anew hears what is told then', async ({
  page,
  breakable,
}) => {
  test.setTimeout(60_000)
  const { pusher } = breakable.processes
  const secret = breakable.environment['TOKEN_SECRET'] ?? ''
  await using server = await breakable.startServer()
  const { lessonId, isOver } = await signIn(page, { url: server.url, secret, student: 'student13' })
  await expect.poll(isOver, { timeout: 20_000 }).toBe(true)
  await pusher.kill()
  await expect(page.locator('#connection')).not.toHaveText(/, connected$/)
  await pusher.restart()
  await expect(page.locator('#connection')).toHaveText(/, connected$/, { timeout: 30_000 })

  const client = await breakable.clientOf(server, 'student13')
  const body = { percent: 7, timeSpentSec: 1 }
  expect((await client.put(`/api/v1/lessons/${lessonId}/progress`, body)).status).toBe(200)
  await expect(page.locator('#events li[data-event="progress.updated"]')).toContainText('progress.updated · 7 %', {
    timeout: 20_000,
  })
})

for (const [what, answer] of [
  ['refuses', 401],
  ['cannot renew', 503],
] as const) {
  test(`a person whose token the server ${what} is signed out where they see it once it is over, and can sign in again`, async ({
    app,
    page,
    serverEnvironment,
  }) => {
    test.setTimeout(60_000)
    const secret = serverEnvironment['TOKEN_SECRET'] ?? ''
    let isAway = true
    await page.route('**/auth/renew', async (route) => {
      const problem = { detail: 'not now', requestId: '-' }
      if (answer === 503 && isAway) await route.fulfill({ status: 503, json: problem })
      else if (answer === 401) await route.fulfill({ status: 401, json: problem })
      else await route.continue()
    })
    const { isOver } = await signIn(page, { url: app.url, secret, student: 'student14' })
    await expect.poll(isOver, { timeout: 20_000 }).toBe(true)
    isAway = false
    await expect(page.getByRole('alert')).toHaveText('Your session is over: sign in again.', { timeout: 20_000 })
    await expect(page.locator('#connection')).toHaveText('signed out')
    await expect(page.locator('#school')).toBeHidden()
    await expect(page.getByLabel('Password')).toHaveValue('')

    await page.unroute('**/auth/sign-in')
    await page.getByLabel('Password').fill(SEEDED_PASSWORD)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await expect(page.locator('#connection')).toHaveText(/, connected$/)
    await expect(page.getByRole('alert')).toBeHidden()
  })
}

test('whose session is found over by what they do is told that, and what they typed to sign in is gone', async ({
  app,
  page,
  serverEnvironment,
}) => {
  const secret = serverEnvironment['TOKEN_SECRET'] ?? ''
  await signIn(page, { url: app.url, secret, student: 'student15' })
  await page.route('**/api/v1/lessons/*', (route) =>
    route.fulfill({ status: 401, json: { detail: 'The access token is not valid.', requestId: '-' } }),
  )
  await page.locator('#lessons button').first().click()
  await expect(page.locator('#connection')).toHaveText('signed out')
  await expect(page.getByRole('alert')).toHaveText('Your session is over: sign in again.')
  await expect(page.getByLabel('Password')).toHaveValue('')
})
