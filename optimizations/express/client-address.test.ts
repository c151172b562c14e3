import { isIP } from 'node:net'
import { expect, test } from '@playwright/test'
import * as fc from 'fast-check'
import { addressGroup, clientAddress } from './client-address.ts'

for (const [what, addresses, group] of [
  ['an IPv4 address', ['192.0.2.7'], '192.0.2.7'],
  ['an IPv4 address with any port', ['192.0.2.7:0', '192.0.2.7:5678', '192.0.2.7:65535'], '192.0.2.7'],
  [
    'an IPv4 address in any spelling of IPv6',
    [
      '::ffff:192.0.2.7',
      '::FFFF:192.0.2.7',
      '::ffff:c000:207',
      '::ffff:c000:0207',
      '0:0:0:0:0:ffff:c000:207',
      '0000:0000:0000:0000:0000:ffff:192.0.2.7',
      '[::ffff:192.0.2.7]:80',
      '[::ffff:c000:207]',
      '::ffff:192.0.2.7%eth0',
    ],
    '192.0.2.7',
  ],
  ['the loopback of IPv4', ['127.0.0.1', '::ffff:127.0.0.1', '::ffff:7f00:1'], '127.0.0.1'],
  [
    'an address of a /64',
    ['2001:db8:1:2:3:4:5:6', '2001:DB8:1:2::', '2001:0db8:0001:0002::9', '[2001:db8:1:2::1]:443', '[2001:db8:1:2::1]'],
    '2001:db8:1:2::/64',
  ],
  [
    'an address with groups of zeros',
    ['2001:db8::', '2001:0db8::', '2001:db8:0:0::1', '2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8::1:2:3:4'],
    '2001:db8:0:0::/64',
  ],
  ['an address with zeros at its beginning', ['0:0:0:1::1', '::1:0:0:0:1'], '0:0:0:1::/64'],
  ['a link-local address with any zone', ['fe80::1', 'fe80::1%eth0', '[fe80::1%eth1]:80'], 'fe80:0:0:0::/64'],
  ['the loopback of IPv6', ['::1', '0:0:0:0:0:0:0:1', '[::1]:80'], '0:0:0:0::/64'],
  ['an address of NAT64', ['64:ff9b::192.0.2.7', '64:ff9b::c000:207'], '64:ff9b:0:0::/64'],
  [
    'what is no address',
    [
      '',
      ' ',
      'unknown',
      '_hidden',
      'localhost',
      '010.0.0.1',
      '192.0.2.07',
      '0x7f.0.0.1',
      '2130706433',
      '127.1',
      '192.0.2.256',
      '192.0.2.7:',
      '192.0.2.7:123456',
      '192.0.2.7:http',
      '192.0.2.7%eth0',
      '[192.0.2.7]:80',
      '::ffff:192.0.2.07',
      '2001:db8::1::2',
      '2001:db8::12345',
      '1:2:3:4:5:6:7:8:9',
      '[2001:db8::1',
      '2001:db8::1]:443',
      '2001:db8::/32',
      `${'1'.repeat(10_000)}:1`,
    ],
    'no address',
  ],
] as const) {
  test(`${what} counts as ${group}`, () => {
    expect(addresses.map((one) => [one, addressGroup(one)])).toEqual(addresses.map((one) => [one, group]))
  })
}

test('two addresses of other /64s, or of IPv4, are two', () => {
  const others = ['192.0.2.7', '192.0.2.8', '::1', '0:0:0:1::', '2001:db8::', '2001:db8:0:1::', '2001:db8:1::', '1::']
  expect(new Set(others.map(addressGroup)).size).toBe(others.length)
})

// A header comes from anybody: nothing that Node takes for an address may be too odd for the parser behind it.
test('no address in any spelling is an error, and each counts as its network', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.ipV6(),
        fc.ipV4().map((ipv4) => `64:ff9b::${ipv4}`),
      ),
      (address) => {
        expect(addressGroup(address)).toMatch(/^(?:[\da-f]{1,4}:){4}:\/64$|^\d+(?:\.\d+){3}$/)
        expect(addressGroup(address.toUpperCase())).toBe(addressGroup(address))
        expect(addressGroup(`[${address}]:443`)).toBe(addressGroup(address))
      },
    ),
    { numRuns: 2_000 },
  )
})

test('any other text counts as no address', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'0123456789abcdef:.[]%_x'.split('')) }), (text) => {
      fc.pre(!/^\d+\.\d+\.\d+\.\d+(?::\d+)?$/.test(text) && isIP(text.replace(/^\[(.*)\](?::\d+)?$/, '$1')) === 0)
      expect(addressGroup(text)).toBe('no address')
    }),
    { numRuns: 2_000 },
  )
})

test('a client whose connection is gone, and with it the address, counts as no address', () => {
  expect(clientAddress({ ip: undefined })).toBe('no address')
})
