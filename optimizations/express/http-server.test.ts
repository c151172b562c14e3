import { expect, test } from '@playwright/test'
import { RawConnection } from '#fixtures/edges/raw-connection.ts'
import { serve } from '#fixtures/edges/serve.ts'

for (const [what, head, status] of [
  ['without a Host', 'GET / HTTP/1.1\r\n\r\n', 400],
  ['with an unknown expectation', 'GET / HTTP/1.1\r\nhost: x\r\nexpect: tea\r\n\r\n', 417],
] as const) {
  test(`a head ${what} never reaches an application that does not ask for it: ${status}`, async () => {
    const begun: string[] = []
    await using served = await serve((request) => begun.push(request.url ?? ''))
    using connection = await RawConnection.open(served.url)
    expect(await connection.exchange(head)).toMatchObject({ status })
    expect(begun).toEqual([])
  })

  test(`a head ${what} reaches an application that checks heads by itself`, async () => {
    await using served = await serve((_request, response) => response.end('mine'), { headsAreCheckedBy: 'listener' })
    using connection = await RawConnection.open(served.url)
    expect(await connection.exchange(head)).toMatchObject({ status: 200, body: 'mine' })
  })
}
