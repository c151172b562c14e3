import { isIPv4, isIPv6 } from 'node:net'
import type { Request } from 'express'
import ipaddr from 'ipaddr.js'

/** Whoever comes from what is no address: all together one, and nobody with an address is among them. */
const NO_ADDRESS = 'no address'
/** Proxies add the port of the client (RFC 7239, 6); behind an IPv6 address only where that stands in brackets. */
const IPV4_WITH_PORT = /^([\d.]+):\d{1,5}$/
const IPV6_IN_BRACKETS = /^\[([^\]]+)\](?::\d{1,5})?$/
/** Which interface of the machine a link-local address is reached by (RFC 4007, 11): nothing of the client. */
const ZONE = /%.*$/

/** One subscriber is given a whole /64 (RFC 6177): what is behind it is not told apart. IPv4 within IPv6 is IPv4. */
function groupOfIPv6(text: string): string {
  // URL knows every spelling and writes one (WHATWG URL, host serializing); ipaddr.js 1 throws at a dotted IPv4 address
  // behind any other prefix than ::ffff:.
  const { hostname } = new URL(`http://[${text.replace(ZONE, '')}]`)
  const parsed = ipaddr.IPv6.parse(hostname.slice(1, -1))
  if (parsed.isIPv4MappedAddress()) return parsed.toIPv4Address().toString()
  const network = parsed.parts.slice(0, 4).map((part) => part.toString(16))
  return `${network.join(':')}::/64`
}

/** Who an address stands for, however it is spelled: the same text for the same subscriber. */
export function addressGroup(text: string): string {
  const ipv4 = IPV4_WITH_PORT.exec(text)?.[1] ?? text
  // Strict: with a leading zero, which some read as octal, it is no address.
  if (isIPv4(ipv4)) return ipv4
  const ipv6 = IPV6_IN_BRACKETS.exec(text)?.[1] ?? text
  return isIPv6(ipv6) ? groupOfIPv6(ipv6) : NO_ADDRESS
}

/**
 * Who asks, as far as the network knows, for everything that counts by address. Of `X-Forwarded-For` only as many
 * entries are believed, from the last one, as there are proxies of ours (`TRUSTED_PROXIES`).
 */
export const clientAddress = (request: Pick<Request, 'ip'>): string => addressGroup(request.ip ?? '')
