import { argon2Sync, randomBytes, scryptSync, timingSafeEqual } from 'node:crypto'

// OWASP's first recommendation: argon2id with 19 MiB, two passes, one lane.
const COST = { memory: 19_456, passes: 2, parallelism: 1 }
const KEY_BYTES = 32
const SALT_BYTES = 16

// The string format of the Password Hashing Competition: base64 without padding.
const ARGON2ID = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([\w+/]+)\$([\w+/]+)$/
/** What was stored before. */
const SCRYPT = /^scrypt\$(\d+)\$(\d+)\$(\d+)\$([\w-]+)\$([\w-]+)$/

const encode = (bytes: Buffer): string => bytes.toString('base64').replaceAll('=', '')

function format(salt: Buffer, key: Buffer): string {
  return `$argon2id$v=19$m=${COST.memory},t=${COST.passes},p=${COST.parallelism}$${encode(salt)}$${encode(key)}`
}

/** Hashes a password with a salt of its own; cost and salt stand in the result, so that the cost can be raised later. */
export function hashPassword(password: string, salt: Buffer = randomBytes(SALT_BYTES)): string {
  return format(salt, argon2Sync('argon2id', { message: password, nonce: salt, tagLength: KEY_BYTES, ...COST }))
}

/** A hash that no known password has, at the cost of a true one. */
export function createHashOfNobody(): string {
  return format(randomBytes(SALT_BYTES), randomBytes(KEY_BYTES))
}

/** Whether a hash is of an older kind or cost than `hashPassword` makes. */
export function isOutdated(hash: string): boolean {
  const [, memory, passes, parallelism] = ARGON2ID.exec(hash) ?? []
  return `${memory},${passes},${parallelism}` !== `${COST.memory},${COST.passes},${COST.parallelism}`
}

function deriveKey(password: string, hash: string): { readonly actual: Buffer; readonly expected: Buffer } | undefined {
  const [, memory, passes, parallelism, nonce, tag] = ARGON2ID.exec(hash) ?? []
  if (nonce !== undefined && tag !== undefined) {
    const expected = Buffer.from(tag, 'base64')
    const cost = { memory: Number(memory), passes: Number(passes), parallelism: Number(parallelism) }
    const what = { message: password, nonce: Buffer.from(nonce, 'base64'), tagLength: expected.length }
    return { actual: argon2Sync('argon2id', { ...what, ...cost }), expected }
  }
  const [, N, r, p, salt, key] = SCRYPT.exec(hash) ?? []
  if (salt === undefined || key === undefined) return undefined
  const expected = Buffer.from(key, 'base64url')
  const cost = { N: Number(N), r: Number(r), p: Number(p) }
  return { actual: scryptSync(password, Buffer.from(salt, 'base64url'), expected.length, cost), expected }
}

/** False for a wrong password and for a hash that is none. Takes the same time whichever byte differs. */
export function verifyPassword(password: string, hash: string): boolean {
  const keys = deriveKey(password, hash)
  return keys !== undefined && timingSafeEqual(keys.actual, keys.expected)
}
