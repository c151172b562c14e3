import { expect, test } from '@playwright/test'
import { addressGroup } from './rate-limit.ts'

for (const [what, address, group] of [
  ['an IPv4 address', '192.0.2.7', '192.0.2.7'],
  ['an IPv4 address in IPv6 spelling', '::ffff:192.0.2.7', '192.0.2.7'],
  ['an IPv6 address', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['an IPv6 address with zeros left out in the middle', '2001:db8::1', '2001:db8:0:0::/64'],
  ['an IPv6 address with zeros left out at the end', '2001:db8:1:2::', '2001:db8:1:2::/64'],
  ['the loopback of IPv6', '::1', '0:0:0:0::/64'],
  ['something else', 'unknown', 'unknown'],
] as const) {
  test(`${what} counts as ${group}`, () => {
    expect(addressGroup(address)).toBe(group)
  })
}
