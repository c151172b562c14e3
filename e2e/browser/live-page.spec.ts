import { startServerProcess } from '#fixtures/playwright/server-process.ts'
import { expect, test } from '#fixtures/test.ts'
import { SEEDED_PASSWORD } from '#fixtures/data/seeded-password.ts'

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
  const event = page.locator('#events li[data-event="progress.updated"]').first()
  await expect(event).toContainText('progress.updated · 65 %')
  // The stamp of the delivery is off, and the page has one of each.
  await expect(page.locator('#events')).not.toContainText('_event')
  await expect(page.locator('#events li[data-event="progress.updated"]')).toHaveCount(1)

  // Absent where the event had no time of its publication.
  await expect(event).toHaveAttribute('data-latency-ms', /^\d+$/)
  const latencyMs = await event.getAttribute('data-latency-ms')
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

for (const colorScheme of ['light', 'dark'] as const) {
  test(`the pictures of what the optimizations do follow the server, in ${colorScheme}`, async ({
    app,
    page,
  }, testInfo) => {
    await page.emulateMedia({ colorScheme })
    const client = await app.signIn('student1')
    await client.get('/api/v1/dashboard/overview')
    await page.goto(app.url)
    const metrics = page.getByRole('region', { name: 'What the optimizations do' })
    await expect(metrics.getByRole('list', { name: 'Health' })).toContainText('✓ database healthy')
    await expect(metrics.locator('figure')).toHaveCount(6)
    for (let at = 0; at < 9; at += 1) await client.get('/api/v1/dashboard/overview')
    const requests = metrics.getByRole('row', { name: 'GET /dashboard/overview' }).getByRole('cell').last()
    const shown = async (): Promise<number> => Number((await requests.textContent())?.replaceAll(',', ''))
    const before = await shown()
    await client.get('/api/v1/dashboard/overview')
    await expect.poll(shown).toBeGreaterThan(before)
    await expect(metrics.locator('figure', { hasText: 'Cache hit rate' }).locator('polyline')).not.toHaveCount(0)
    await testInfo.attach(colorScheme, { body: await page.screenshot({ fullPage: true }), contentType: 'image/png' })
  })
}

test('what a page hears is counted on the server as time from publish to callback', async ({ app, page }) => {
  const count = async (): Promise<number> => {
    const { body } = await app.anonymous.get('/metrics/performance')
    return (body['pusher'] as { deliveryLatency: { count: number } }).deliveryLatency.count
  }
  const before = await count()
  await page.goto(app.url)
  await page.getByLabel('Name').fill('student3')
  await page.getByLabel('Password').fill(SEEDED_PASSWORD)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('navigation').getByRole('button').first().click()
  await expect(page.locator('#channel')).toHaveText(/^Joined private-class-/)
  await page.getByRole('slider').fill('45')
  await page.getByRole('button', { name: 'Report progress' }).click()
  await expect.poll(count).toBeGreaterThan(before)
})

test('a page whose server keeps its metrics to the bearer of a token says so instead of drawing nothing', async ({
  page,
  serverEnvironment,
}) => {
  await using server = await startServerProcess({
    environment: { ...serverEnvironment, METRICS_TOKEN: 'metrics-token-of-this-test' },
  })
  await page.goto(server.url)
  await expect(page.getByText('for the bearer of its metrics token')).toBeVisible()
})
