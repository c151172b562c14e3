import { expect, test } from '#fixtures/test.ts'
import { SEEDED_PASSWORD } from '#fixtures/data/seed.ts'

test('a page that joined a class shows the event that a report of its own caused', async ({ app, page }, testInfo) => {
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text())
  })

  await page.goto(app.url)
  await page.getByLabel('Name').fill('student2')
  await page.getByLabel('Password').fill(SEEDED_PASSWORD)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect(page.getByRole('status')).toHaveText(/connected$/)

  await page.getByRole('navigation').getByRole('button').first().click()
  await expect(page.locator('#channel')).toHaveText(/^Joined private-class-/)

  await page.getByRole('slider').fill('65')
  await page.getByRole('button', { name: 'Report progress' }).click()
  const event = page.locator('#events li').first()
  await expect(event).toContainText('progress.updated · 65 %')

  const latencyMs = Number(await event.getAttribute('data-latency-ms'))
  expect(latencyMs).toBeGreaterThanOrEqual(0)
  testInfo.annotations.push({ type: 'publish-to-callback', description: `${latencyMs} ms` })
  expect(faults).toEqual([])
})

test('a wrong password is told to the person, with the id of the request', async ({ app, page }) => {
  await page.goto(app.url)
  await page.getByLabel('Password').fill('wrong')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect(page.getByRole('alert')).toHaveText(/The name or the password is wrong\. \(request [0-9a-f-]{36}\)/)
  await expect(page.getByRole('button', { name: 'Sign in' })).toBeVisible()
})

test('the page loads nothing from another host', async ({ app, page }) => {
  const foreign: string[] = []
  page.on('request', (request) => {
    if (!request.url().startsWith(app.url)) foreign.push(request.url())
  })
  const response = await page.goto(app.url)
  await page.waitForLoadState('networkidle')
  expect(foreign).toEqual([])
  expect(response?.headers()['content-security-policy']).toContain("default-src 'self'")
})
