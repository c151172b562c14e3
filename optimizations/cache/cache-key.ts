import { createHash } from 'node:crypto'
import { CacheError } from './cache-error.ts'

declare const cacheKeyBrand: unique symbol

/** The name of one cached value, made by `cacheKey` only: a raw string cannot be mistaken for one. */
export type CacheKey = string & { readonly [cacheKeyBrand]: true }

/** What a key may be made of. Anything else (a function, a symbol, a class instance) has no stable text and is refused. */
export type KeyPart =
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined
  | Date
  | readonly KeyPart[]
  | { readonly [name: string]: KeyPart }

/** Longer keys end in a hash instead: Redis compares every byte of a key, and the tracking connection carries it. */
const MAX_READABLE_LENGTH = 200
/** 162 of the 256 bits of SHA-256 in base64url: far beyond accidental and deliberate collision alike. */
const HASH_CHARACTERS = 27

/**
 * Joins a prefix and typed parts into a key that differs whenever any part differs in type or in content:
 * `('a:b', 'c')`, `('a', 'b:c')`, `('a', 1)` and `('a', '1')` have four keys; the order of an object's properties has none.
 *
 * Text stands for itself, everything else begins with `~`: `cacheKey('user', 'ada', 42)` is `user:ada:~42`. What could be
 * read as structure, or as a wildcard of `deletePattern`, is escaped inside text.
 */
export function cacheKey(prefix: string, ...parts: readonly KeyPart[]): CacheKey {
  const name = escapeText(prefix)
  let key = name
  for (const part of parts) key += `:${encodePart(part)}`
  if (key.length <= MAX_READABLE_LENGTH) return key as CacheKey
  const hash = createHash('sha256').update(key).digest('base64url').slice(0, HASH_CHARACTERS)
  // '#' is escaped in text and begins no other part, so a hashed key never meets a readable one.
  return `${name.slice(0, MAX_READABLE_LENGTH - HASH_CHARACTERS)}:#${hash}` as CacheKey
}

function encodePart(part: KeyPart): string {
  switch (typeof part) {
    case 'string':
      return escapeText(part)
    case 'number':
    case 'boolean':
    case 'undefined':
      return `~${part}`
    case 'bigint':
      return `~${part}n`
    default:
      return part === null ? '~null' : encodeObject(part)
  }
}

function encodeObject(part: object): string {
  if (part instanceof Date) return `~@${part.getTime()}`
  if (Array.isArray(part)) return `~(${part.map(encodePart).join(',')})`
  const prototype: unknown = Object.getPrototypeOf(part)
  if (prototype !== Object.prototype && prototype !== null) {
    throw new CacheError(
      'invalid_key',
      'A cache key is made of plain values; an instance of a class has no stable text',
    )
  }
  const properties = Object.entries(part as Record<string, KeyPart>)
    .map(([name, value]) => `${escapeText(name)}=${encodePart(value)}`)
    .sort()
  // An object is told from an array by the '=' of its members, and an empty one by its mark.
  return properties.length === 0 ? '~()=' : `~(${properties.join(',')})`
}

/** Every code unit outside the safe alphabet becomes `%` and four hexadecimal digits, lone surrogates included. */
function escapeText(text: string): string {
  return text.replaceAll(/[^\w.@-]/g, (unit) => `%${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
