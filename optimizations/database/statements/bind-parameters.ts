import { JsonProperty, Utils } from '@mikro-orm/core'
import { encodeValue, type FormatDate, type WireValue } from './encode-value.ts'

/** The PostgreSQL types that a literal of a JavaScript value has, by the rules of its lexer (manual 4.1.2.6). */
const OID_OF_LETTER: Readonly<Record<string, number>> = {
  u: 0, // unknown
  b: 16, // boolean
  x: 17, // bytea
  i: 23, // int4
  l: 20, // int8
  n: 1700, // numeric
}

const INT4_END = 2 ** 31
const INT8_END = 2 ** 63

/** The protocol counts parameters in 16 bits. */
const MOST_PARAMETERS = 65_535

export interface BoundParameters {
  readonly values: readonly WireValue[]
  /** One letter for the declared type of each parameter. */
  readonly signature: string
}

/**
 * Turns the ORM's values into bind parameters, each declared with the very type that its literal would have, so that
 * operators, functions and result columns resolve as they do for the literal. A string, a date or a null is `unknown`
 * in both forms. Answers null for what has no such twin (raw fragments, lists, undefined, NaN): those stay literals.
 */
export function bindParameters(params: readonly unknown[], formatDate: FormatDate): BoundParameters | null {
  if (params.length > MOST_PARAMETERS) return null
  const values: WireValue[] = []
  let signature = ''
  for (const param of params) {
    const letter = letterOf(param)
    if (letter === null) return null
    signature += letter
    values.push(Array.isArray(param) ? JSON.stringify(param) : encodeValue(param, formatDate))
  }
  return { values, signature }
}

export function oidsOf(signature: string): number[] {
  return Array.from(signature, (letter) => OID_OF_LETTER[letter] ?? 0)
}

function letterOf(value: unknown): string | null {
  switch (typeof value) {
    case 'string':
    case 'bigint': // The ORM writes it as a quoted string.
      return 'u'
    case 'boolean':
      return 'b'
    case 'number':
      return letterOfNumber(value)
    case 'object':
      return letterOfObject(value)
    default:
      return null
  }
}

/** Digits are int4, int8 or numeric, whichever is the first that holds them; a point or an exponent means numeric. */
function letterOfNumber(value: number): string | null {
  if (!Number.isFinite(value)) return null
  if (!Number.isInteger(value) || Math.abs(value) >= INT8_END) return 'n'
  return Math.abs(value) < INT4_END ? 'i' : 'l'
}

function letterOfObject(value: object | null): string | null {
  if (value === null || value instanceof Date || Reflect.get(value, JsonProperty) !== undefined) return 'u'
  if (Buffer.isBuffer(value)) return 'x'
  return Utils.isPlainObject(value) ? 'u' : null
}
