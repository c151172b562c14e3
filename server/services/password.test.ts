import { expect, test } from '@playwright/test'
import { createHashOfNobody, hashPassword, isOutdated, verifyPassword } from './password.ts'

/** Of "correct horse", as it was stored before. */
const SCRYPT_HASH = 'scrypt$16384$8$5$aG90cGF0aGhvdHBhdGhobw$s-Xklc40ZH6Bg0YCPVzqBUd-dksfPcriPOJNfoReJ0M'

test('a password is verified by its own hash and by no other', () => {
  const hash = hashPassword('correct horse')
  expect(verifyPassword('correct horse', hash)).toBe(true)
  expect(verifyPassword('correct horsf', hash)).toBe(false)
})

test('a new hash is argon2id at the cost that OWASP recommends, and is not outdated', () => {
  const hash = hashPassword('correct horse')
  expect(hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22}\$[\w+/]{43}$/)
  expect(isOutdated(hash)).toBe(false)
})

test('the hash of a given salt stays the same: what is stored can be verified later', () => {
  expect(hashPassword('correct horse', Buffer.from('hotpathhotpathho'))).toBe(
    '$argon2id$v=19$m=19456,t=2,p=1$aG90cGF0aGhvdHBhdGhobw$T+i8gLp/Mbqk0pfRJ8hD/7xTjbSwv9rfGvCG8g4oryQ',
  )
})

test('a hash of the former kind is verified still, and is outdated', () => {
  expect(verifyPassword('correct horse', SCRYPT_HASH)).toBe(true)
  expect(verifyPassword('correct horsf', SCRYPT_HASH)).toBe(false)
  expect(isOutdated(SCRYPT_HASH)).toBe(true)
})

test('a hash at another cost is verified at that cost, and is outdated', () => {
  const cheap = '$argon2id$v=19$m=64,t=3,p=2$aG90cGF0aGhvdHBhdGhobw$bKdNiSXDIQLU/AFH51Xsfw'
  expect(verifyPassword('correct horse', cheap)).toBe(true)
  expect(isOutdated(cheap)).toBe(true)
})

test('the same password gets a different hash each time', () => {
  expect(hashPassword('same')).not.toBe(hashPassword('same'))
})

test('the hash of nobody costs what any other costs, and no password opens it', () => {
  const cost = (hash: string) => hash.split('$').slice(0, 4)
  expect(cost(createHashOfNobody())).toEqual(cost(hashPassword('')))
  expect(createHashOfNobody()).toHaveLength(hashPassword('').length)
  expect(verifyPassword('', createHashOfNobody())).toBe(false)
})

for (const [what, hash] of [
  ['an empty string', ''],
  ['plain text', 'correct horse'],
  ['a hash of another scheme', '$2b$10$abcdefghijklmnopqrstuv'],
] as const) {
  test(`${what} in place of a hash verifies nothing`, () => {
    expect(verifyPassword('correct horse', hash)).toBe(false)
  })
}
