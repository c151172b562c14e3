import { expect, test } from '#fixtures/test.ts'

test('the page of the API shows every operation of the document, finds one, and asks no other host', async ({
  app,
  page,
}) => {
  const faults: string[] = []
  const foreign: string[] = []
  page.on('pageerror', (error) => faults.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text())
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(app.url)) foreign.push(request.url())
  })
  await page.goto(`${app.url}/docs`)
  const { body } = await app.anonymous.get('/api/v1/openapi.json')
  const documented = Object.values(body['paths'] as Record<string, object>).flatMap((methods) => Object.keys(methods))
  const operations = page.locator('details')
  // One more than there are operations: what a problem looks like.
  await expect(operations).toHaveCount(documented.length + 1)

  await page.getByLabel('Find').fill('post submissions')
  await expect(operations.filter({ visible: true })).toHaveCount(1)
  await operations.filter({ visible: true }).locator('summary').click()
  await expect(page.getByRole('rowheader', { name: 'idempotency-key' })).toBeVisible()
  expect([...faults, ...foreign]).toEqual([])
})
