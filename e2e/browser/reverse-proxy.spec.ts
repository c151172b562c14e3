import { SEEDED_PASSWORD } from '#fixtures/data/seeded-password.ts'
import { startReverseProxy } from '#fixtures/edges/reverse-proxy.ts'
import { startServerProcess } from '#fixtures/playwright/server-process.ts'
import { expect, test } from '#fixtures/test.ts'

const METRICS_TOKEN = 'metrics-token-of-this-test'

test('below the path of a reverse proxy the page signs in, opens a lesson, hears its event, and shows metrics to the bearer of their token', async ({
  page,
  serverEnvironment,
}) => {
  await using server = await startServerProcess({ environment: { ...serverEnvironment, METRICS_TOKEN } })
  await using proxy = await startReverseProxy({ target: server.url, prefix: '/school', gzip: true })
  const outside: string[] = []
  page.on('request', (request) => {
    if (!request.url().startsWith(`${proxy.url}/`)) outside.push(request.url())
  })
  await page.goto(`${proxy.url}/`)

  const metrics = page.getByRole('region', { name: 'What the optimizations do' })
  await expect(metrics.locator('[data-part=problem]')).toContainText('for the bearer of its metrics token')
  await expect(metrics.locator('figure')).toHaveCount(0)
  await metrics.getByLabel('Metrics token').fill('a-wrong-metrics-token')
  await metrics.getByRole('button', { name: 'Show metrics' }).click()
  await expect(metrics.locator('[data-part=problem]')).toContainText('That is not the metrics token.')
  await metrics.getByLabel('Metrics token').fill(METRICS_TOKEN)
  await metrics.getByRole('button', { name: 'Show metrics' }).click()
  await expect(metrics.locator('figure')).toHaveCount(6)
  await expect(metrics.getByLabel('Metrics token')).toBeHidden()

  await page.getByLabel('Name').fill('student4')
  await page.getByLabel('Password').fill(SEEDED_PASSWORD)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('navigation').getByRole('button').first().click()
  await expect(page.locator('#channel')).toHaveText(/^Joined private-class-/)
  await page.getByRole('slider').fill('35')
  await page.getByRole('button', { name: 'Report progress' }).click()
  await expect(page.locator('#events li[data-event="progress.updated"]').first()).toContainText('35 %')

  await page.goto(`${proxy.url}/docs`)
  await expect(page.locator('details').first()).toBeVisible()
  await expect(page.locator('code').first()).toContainText('/school/api/v1/')
  expect(outside).toEqual([])
})

test('a page whose server has its metrics closed says who can open them, and asks for no token', async ({
  page,
  serverEnvironment,
}) => {
  await using server = await startServerProcess({ environment: { ...serverEnvironment, TRUSTED_PROXIES: '1' } })
  await page.goto(server.url)
  await expect(page.getByText('its operator opens them by setting METRICS_TOKEN')).toBeVisible()
  await expect(page.getByLabel('Metrics token')).toBeHidden()
  await expect(page.getByRole('list', { name: 'Health' })).toContainText('✓ database healthy')
})
