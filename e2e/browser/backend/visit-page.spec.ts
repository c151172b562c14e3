import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createClient } from '#fixtures/backend/clients.ts'
import { visitPage } from '#fixtures/backend/visit-page.ts'
import { expect, test } from '#fixtures/test.ts'

test('visits that are answered with 500 are counted as faults, and a client is known by its cookies', async ({
  page,
}) => {
  const cookies = new Set<string | undefined>()
  let visits = 0
  const server = createServer((request, response) => {
    if (request.url !== '/notes') return response.writeHead(404).end()
    visits += 1
    cookies.add(request.headers.cookie)
    return response.writeHead(visits > 3 ? 500 : 200, { 'content-type': 'text/html' }).end('<title>Notes</title>')
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve())
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/notes`
  const client = createClient({ headers: { Cookie: 'session=s; theme=dark', authorization: 'secret' } }, 0)
  const { latenciesMs, faults } = await visitPage(page, { url, times: 5, warmUps: 1, client })
  expect(faults).toEqual({ 'status 500': 3 })
  expect(latenciesMs).toHaveLength(5)
  expect([...cookies]).toEqual(['session=s; theme=dark'])
  server.closeAllConnections()
  server.close()
})
