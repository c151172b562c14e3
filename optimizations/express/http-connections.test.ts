import type { ServerResponse } from 'node:http'
import { expect, test } from '@playwright/test'
import { RawConnection } from '#fixtures/edges/raw-connection.ts'
import { serve } from '#fixtures/edges/serve.ts'

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`

test('requests that are sent before the replies are handled one after the other, and answered in their order', async () => {
  const begun: (readonly [string, ServerResponse])[] = []
  await using served = await serve((request, response) => begun.push([request.url ?? '', response]))
  using connection = await RawConnection.open(served.url)
  using other = await RawConnection.open(served.url)
  connection.send(['/1', '/2', '/3'].map(get).join(''))
  other.send(get('/of-another'))

  await expect.poll(() => begun.map(([path]) => path).toSorted()).toEqual(['/1', '/of-another'])
  for (const path of ['/1', '/2', '/3']) {
    await expect.poll(() => begun.map(([its]) => its)).toContain(path)
    begun.find(([its]) => its === path)?.[1].end(path)
  }
  await expect.poll(() => connection.replies.map(({ body }) => body)).toEqual(['/1', '/2', '/3'])
})

test('a client that sends requests by the hundred without waiting for a reply loses its connection', async () => {
  let begun = 0
  await using served = await serve(() => (begun += 1))
  using connection = await RawConnection.open(served.url)
  connection.send(get('/').repeat(500))
  expect(await connection.ended).not.toBe('')
  expect(begun).toBe(1)
})

test('requests that wait on a connection that is gone are not handled, and hold up no other connection', async () => {
  const begun: ServerResponse[] = []
  const gone: string[] = []
  await using served = await serve((request, response) => {
    begun.push(response)
    response.once('close', () => gone.push(request.url ?? ''))
  })
  using connection = await RawConnection.open(served.url)
  connection.send(['/1', '/2', '/3'].map(get).join(''))
  await expect.poll(() => begun.length).toBe(1)
  connection[Symbol.dispose]()
  await expect.poll(() => gone).toEqual(['/1'])
  // Another's is handled after whatever waits.
  using other = await RawConnection.open(served.url)
  other.send(get('/of-another') + get('/its-next'))
  await expect.poll(() => begun.length).toBe(2)
  begun[1]?.end()
  await expect.poll(() => begun.map(({ req }) => req.url)).toEqual(['/1', '/of-another', '/its-next'])
})
