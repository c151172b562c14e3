import { createHmac } from 'node:crypto'
import { expect, test } from '@playwright/test'
import { ManualClock } from '#fixtures/doubles/manual-clock.ts'
import { createAccessTokens } from './access-token.ts'

const NOW_SEC = 1_800_000_000
const TTL_SEC = 60
const secret = 'a secret of at least thirty-two characters'
const principal = { id: '6f1f9a0c-3c5e-4d0b-9a55-1d2c3b4a5f60', role: 'student' } as const

const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

/** A token of any content that whoever has the secret could make. */
function forge({ header = { alg: 'HS256' }, claims = {}, hash = 'sha256', key = secret }: Forgery): string {
  const valid = { iss: 'hotpath', sub: principal.id, role: principal.role, iat: NOW_SEC, exp: NOW_SEC + TTL_SEC }
  const payload = typeof claims === 'string' ? claims : { ...valid, ...claims }
  const signed = `${encode(header)}.${encode(payload)}`
  return `${signed}.${createHmac(hash, key).update(signed).digest('base64url')}`
}

interface Forgery {
  readonly header?: object | string
  readonly claims?: object | string
  readonly hash?: string
  readonly key?: string
}

function createRig() {
  const clock = new ManualClock(NOW_SEC * 1_000)
  return { clock, tokens: createAccessTokens({ secret, ttlSec: TTL_SEC, clock }) }
}

test('a token says who it was issued for, until its time is over and not a millisecond longer', async () => {
  const { clock, tokens } = createRig()
  const token = tokens.issue(principal)
  expect(tokens.verify(token)).toEqual(principal)
  await clock.advance(TTL_SEC * 1_000 - 1)
  expect(tokens.verify(token)).toEqual(principal)
  await clock.advance(1)
  expect(tokens.verify(token)).toBeUndefined()
})

test('what is issued and what the tests forge with the same content is the same text', () => {
  expect(createRig().tokens.issue(principal)).toBe(forge({}))
})

for (const [what, claims] of [
  ['was issued by a clock that is 5 s ahead', { iat: NOW_SEC + 5 }],
  ['is valid from 5 s ahead', { nbf: NOW_SEC + 5 }],
] as const) {
  test(`a token that ${what} is accepted`, () => {
    expect(createRig().tokens.verify(forge({ claims }))).toEqual(principal)
  })
}

const refusals: readonly (readonly [what: string, forgery: Forgery])[] = [
  ['of the algorithm none', { header: { alg: 'none' } }],
  ['of the algorithm RS256', { header: { alg: 'RS256' } }],
  ['of the algorithm HS512, and signed by it', { header: { alg: 'HS512' }, hash: 'sha512' }],
  ['of the algorithm hs256 in lower case', { header: { alg: 'hs256' } }],
  ['with the algorithm twice in its header', { header: '{"alg":"none","alg":"HS256"}' }],
  ['with the algorithm first right and then wrong', { header: '{"alg":"HS256","alg":"none"}' }],
  ['with a key of its own in its header', { header: { alg: 'HS256', jwk: { kty: 'oct', k: 'AAAA' } } }],
  ['with critical extensions in its header', { header: { alg: 'HS256', crit: ['exp'] } }],
  ['with a header that is no JSON', { header: 'HS256' }],
  ['signed with another key', { key: 'another secret of thirty-two characters' }],
  ['signed with no key', { key: '' }],
  ['without an end', { claims: { exp: undefined } }],
  ['whose end is a string', { claims: { exp: String(NOW_SEC + TTL_SEC) } }],
  ['whose end is null', { claims: { exp: null } }],
  ['whose end is beyond all numbers', { claims: claimsText('"exp":1e400') }],
  ['whose end is no whole number', { claims: { exp: NOW_SEC + 0.5 } }],
  ['whose end is now', { claims: { exp: NOW_SEC } }],
  ['without the time of its issue', { claims: { iat: undefined } }],
  ['issued 6 s ahead', { claims: { iat: NOW_SEC + 6 } }],
  ['valid from 6 s ahead', { claims: { nbf: NOW_SEC + 6 } }],
  ['whose beginning is a string', { claims: { nbf: String(NOW_SEC) } }],
  ['without an issuer', { claims: { iss: undefined } }],
  ['of another issuer', { claims: { iss: 'hotpath.example' } }],
  ['of a list of issuers', { claims: { iss: ['hotpath'] } }],
  ['for an audience', { claims: { aud: 'another service' } }],
  ['without a subject', { claims: { sub: undefined } }],
  ['whose subject is no user', { claims: { sub: 'admin' } }],
  ['of a role that there is not', { claims: { role: 'root' } }],
  ['whose claims are a list', { claims: '[]' }],
  ['whose claims are no JSON', { claims: '{' }],
  ['longer than 4 kB', { claims: claimsText(`"exp":${NOW_SEC + TTL_SEC}${' '.repeat(4_096)}`) }],
]

function claimsText(end: string): string {
  return `{"iss":"hotpath","sub":"${principal.id}","role":"student","iat":${NOW_SEC},${end}}`
}

for (const [what, forgery] of refusals) {
  test(`a token ${what} is refused`, () => {
    expect(createRig().tokens.verify(forge(forgery))).toBeUndefined()
  })
}

test('a token in parts that are too many, too few or empty is refused', () => {
  const { tokens } = createRig()
  const token = tokens.issue(principal)
  const [header, payload, signature] = token.split('.')
  const broken = [
    '',
    '.',
    '..',
    '...',
    `${header}.${payload}`,
    `${header}.${payload}.`,
    `${header}..${signature}`,
    `.${payload}.${signature}`,
    `${token}.`,
    `.${token}`,
    `${token}=`,
    `${token}\n`,
    ` ${token}`,
    `${token}.${signature}`,
  ]
  expect(broken.filter((one) => tokens.verify(one) !== undefined)).toEqual([])
})

// Not by chance but all of them: the last character of a signature has two bits that decoding would not see.
test('a valid token with any one byte changed to any other is refused', () => {
  const { tokens } = createRig()
  const token = tokens.issue(principal)
  const accepted: string[] = []
  for (let at = 0; at < token.length; at += 1) {
    for (let byte = 0; byte < 256; byte += 1) {
      const changed = token.slice(0, at) + String.fromCodePoint(byte) + token.slice(at + 1)
      if (changed !== token && tokens.verify(changed) !== undefined) accepted.push(changed)
    }
  }
  expect(accepted).toEqual([])
})

test('a valid token with any one byte left out or put in is refused', () => {
  const { tokens } = createRig()
  const token = tokens.issue(principal)
  for (let at = 0; at <= token.length; at += 1) {
    expect(at < token.length ? tokens.verify(token.slice(0, at) + token.slice(at + 1)) : undefined).toBeUndefined()
    for (const more of ['A', '.', '=', '\0']) {
      expect(tokens.verify(token.slice(0, at) + more + token.slice(at))).toBeUndefined()
    }
  }
})

test.describe('a renewal', () => {
  test('gives a token for as long again, of the role as it is now, before the old one is over', async () => {
    const { clock, tokens } = createRig()
    const token = tokens.issue(principal)
    await clock.advance(TTL_SEC * 1_000 - 1)
    const renewed = tokens.renew(token, { ...principal, role: 'teacher' })
    expect(renewed?.expiresInSec).toBe(TTL_SEC)
    await clock.advance(TTL_SEC * 1_000 - 1_000)
    expect(tokens.verify(renewed?.token ?? '')).toEqual({ ...principal, role: 'teacher' })
    expect(tokens.verify(token)).toBeUndefined()
  })

  test('is refused for a token that is over, forged, not valid yet, or of somebody else', async () => {
    const { clock, tokens } = createRig()
    const token = tokens.issue(principal)
    const other = { ...principal, id: '00000000-0000-4000-8000-000000000000' }
    expect(tokens.renew(token, other)).toBeUndefined()
    for (const forgery of [
      { key: 'another secret of thirty-two characters' },
      { header: { alg: 'none' } },
      { claims: { exp: NOW_SEC } },
      { claims: { nbf: NOW_SEC + 60 } },
      { claims: { auth_time: 'yesterday' } },
    ]) {
      expect(tokens.renew(forge(forgery), principal), JSON.stringify(forgery)).toBeUndefined()
    }
    await clock.advance(TTL_SEC * 1_000)
    expect(tokens.renew(token, principal)).toBeUndefined()
  })

  test('however often it is made leads to nothing that outlives the session', async () => {
    const clock = new ManualClock(NOW_SEC * 1_000)
    const tokens = createAccessTokens({ secret, ttlSec: TTL_SEC, sessionSec: 150, clock })
    let token: string | undefined = tokens.issue(principal)
    const lifetimes: (number | undefined)[] = []
    for (let n = 0; n < 4; n += 1) {
      await clock.advance(40_000)
      const renewed: ReturnType<typeof tokens.renew> = tokens.renew(token ?? '', principal)
      token = renewed?.token
      lifetimes.push(renewed?.expiresInSec)
    }
    expect(lifetimes).toEqual([60, 60, 30, undefined])
    // Whoever renews at once all the time has no more of it.
    expect(
      tokens.renew(forge({ claims: { iat: NOW_SEC + 155, exp: NOW_SEC + 200, auth_time: NOW_SEC } }), principal),
    ).toBe(undefined)
  })
})
