import { expect, test } from '@playwright/test'
import { hashPassword, verifyPassword } from './password.ts'

test('a password is verified by its own hash and by no other', async () => {
  const hash = await hashPassword('correct horse')
  expect(await verifyPassword('correct horse', hash)).toBe(true)
  expect(await verifyPassword('correct horsf', hash)).toBe(false)
})

test('the same password gets a different hash each time', async () => {
  expect(await hashPassword('same')).not.toBe(await hashPassword('same'))
})

for (const [what, hash] of [
  ['an empty string', ''],
  ['plain text', 'correct horse'],
  ['a hash of another scheme', '$2b$10$abcdefghijklmnopqrstuv'],
] as const) {
  test(`${what} in place of a hash verifies nothing`, async () => {
    expect(await verifyPassword('correct horse', hash)).toBe(false)
  })
}
