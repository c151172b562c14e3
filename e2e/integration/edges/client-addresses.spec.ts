import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { z } from 'zod'
import { ApiClient } from '#fixtures/playwright/api-client.ts'
import { startServerProcess, type ServerProcess } from '#fixtures/playwright/server-process.ts'
import { expect, test } from '#fixtures/test.ts'

const METRICS_TOKEN = 'metrics-of-client-addresses'
const RateLimits = z.object({ rateLimits: z.object({ address: z.object({ failedOpen: z.int() }) }) })

/** One `X-Forwarded-For` header for each text. */
type Forwarded = readonly string[]

interface Case {
  readonly what: string
  readonly trustedProxies: number
  /** One client, said in several ways. */
  readonly same: readonly Forwarded[]
  /** Clients who are not the one, and not each other. */
  readonly others: readonly Forwarded[]
}

const many = (forwarded: (n: number) => Forwarded): Forwarded[] => Array.from({ length: 8 }, (_, n) => forwarded(n + 1))
const spelled = (...addresses: readonly string[]): Forwarded[] => addresses.map((address) => [address])

// Each case has addresses of its own: what one has used up is not there for the next.
const CASES: readonly Case[] = [
  {
    what: 'whatever the header says, a client is who it connects as',
    trustedProxies: 0,
    same: many((n) => [`198.51.100.${n}`]),
    others: [],
  },
  {
    what: 'a client is the last entry, whatever it has put in front',
    trustedProxies: 1,
    same: many((n) => [`198.51.100.${n}, 203.0.113.${n}, 192.0.2.10`]),
    others: [['192.0.2.10, 192.0.2.11'], ['192.0.2.10,192.0.2.12']],
  },
  {
    what: 'of two headers the second is the one of the proxy',
    trustedProxies: 1,
    same: many((n) => [`198.51.100.${n}`, '192.0.2.20']),
    others: [
      ['192.0.2.20', '192.0.2.21'],
      ['192.0.2.20, 192.0.2.20', '192.0.2.22'],
    ],
  },
  {
    what: 'a client has many ports',
    trustedProxies: 1,
    same: many((n) => [`192.0.2.30:${5_670 + n}`]),
    others: spelled('192.0.2.31:5671', '192.0.2.32:5671'),
  },
  {
    what: 'a client of IPv6 is its /64',
    trustedProxies: 1,
    same: many((n) => [`2001:db8:40:1:${n}::${n}`]),
    others: spelled('2001:db8:40:2::1', '2001:db8:40:3::1'),
  },
  {
    what: 'an address of IPv6 has many spellings',
    trustedProxies: 1,
    same: spelled(
      '2001:db8:50::',
      '2001:0db8:0050::',
      '2001:DB8:50::1',
      '2001:db8:50:0::',
      '2001:db8:50::1%eth0',
      '[2001:db8:50::1]',
      '[2001:0db8:50::1]:443',
      '2001:0db8:0050:0000:0000:0000:0000:0001',
    ),
    others: spelled('2001:db8:51::', '[2001:db8:52::]:443'),
  },
  {
    what: 'an address of IPv4 in the spelling of IPv6 is itself, and not the loopback',
    trustedProxies: 1,
    same: spelled(
      '192.0.2.60',
      '::ffff:192.0.2.60',
      '::FFFF:192.0.2.60',
      '::ffff:c000:23c',
      '::ffff:c000:023c',
      '0:0:0:0:0:ffff:c000:23c',
      '[::ffff:192.0.2.60]:80',
      '192.0.2.60:80',
    ),
    others: spelled('::1', '::ffff:c000:23d'),
  },
  {
    what: 'what is no address is one client, and nobody with an address is',
    trustedProxies: 1,
    same: spelled('unknown', '_hidden', 'nobody', '010.0.0.70', '0x0a000046', '10.0.0.999', ':::', '10.0.0.70:'),
    others: spelled('10.0.0.70', '8.0.0.70', '64:ff9b::192.0.2.70'),
  },
  {
    what: 'a client is the last entry but one, whatever it has put in front',
    trustedProxies: 2,
    same: many((n) => [`198.51.100.${n}, 192.0.2.80, 203.0.113.${n}`]),
    others: [['192.0.2.80, 192.0.2.81, 192.0.2.80'], ['192.0.2.80, 192.0.2.82, 192.0.2.80']],
  },
  {
    what: 'two headers are one list',
    trustedProxies: 2,
    same: many((n) =>
      n % 2 === 0 ? [`198.51.100.${n}, 192.0.2.90`, '203.0.113.9'] : ['192.0.2.90', `203.0.113.${n}`],
    ),
    others: [
      ['192.0.2.90', '192.0.2.91, 192.0.2.90'],
      ['192.0.2.90, 192.0.2.92', '192.0.2.90'],
    ],
  },
]

async function ask(url: string, forwarded: Forwarded): Promise<IncomingMessage> {
  const request = get(`${url}/api/v1/lessons`, { headers: { 'x-forwarded-for': [...forwarded] } })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  response.resume()
  return response
}

const counts = (replies: readonly IncomingMessage[], status: number): number =>
  replies.filter(({ statusCode }) => statusCode === status).length

/** How many requests passed because the store of the limits could not be asked in time. */
async function failedOpen(url: string): Promise<number> {
  const { body } = await new ApiClient(url, METRICS_TOKEN).get('/metrics/performance')
  return RateLimits.parse(body).rateLimits.address.failedOpen
}

/** Everybody at once; again where the store was too slow, on a busy machine, to limit anybody. */
async function askAtOnce(url: string, clients: readonly Forwarded[]) {
  for (;;) {
    const before = await failedOpen(url)
    const startedAt = performance.now()
    const replies = await Promise.all(clients.map((forwarded) => ask(url, forwarded)))
    const elapsedSec = (performance.now() - startedAt) / 1_000
    if ((await failedOpen(url)) === before) return { replies, elapsedSec }
  }
}

for (const trustedProxies of [0, 1, 2]) {
  test.describe(`behind ${trustedProxies} trusted proxies`, () => {
    test.describe.configure({ mode: 'default', timeout: 60_000 })
    let server: ServerProcess
    test.beforeAll(async ({ serverEnvironment }) => {
      // One request at a time, and one more each second.
      const limit = { RATE_LIMIT_PER_ADDRESS: '1', RATE_LIMIT_BURST_SEC: '1', METRICS_TOKEN }
      const environment = { ...serverEnvironment, ...limit, TRUSTED_PROXIES: String(trustedProxies) }
      server = await startServerProcess({ environment })
    })
    test.afterAll(() => server.stop())

    for (const { what, same, others } of CASES.filter((one) => one.trustedProxies === trustedProxies)) {
      test(`${what}: together they are above the limit, and are told when to come again`, async () => {
        const { replies, elapsedSec } = await askAtOnce(server.url, same)
        const refused = replies.filter(({ statusCode }) => statusCode === 429)
        // What one bucket has: a spelling that counted as somebody else would have one of its own.
        expect(counts(replies, 401)).toBeLessThanOrEqual(1 + elapsedSec)
        expect(refused.length).toBeGreaterThan(0)
        expect(refused.map(({ headers }) => headers['retry-after'])).toEqual(refused.map(() => '1'))
        expect(counts(replies, 401) + refused.length).toBe(same.length)
        // Nobody else pays for it: each of the others asks for the first time.
        const elsewhere = await Promise.all(others.map((forwarded) => ask(server.url, forwarded)))
        expect(counts(elsewhere, 401)).toBe(others.length)
      })
    }
  })
}
