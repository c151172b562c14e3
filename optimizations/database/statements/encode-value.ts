import { DatabaseError } from '../errors.ts'

export type WireValue = string | Buffer | null
export type FormatDate = (date: Date) => string

/** The text form of a value for the wire; bytes stay bytes. An object becomes JSON, an array a PostgreSQL array. */
export function encodeValue(value: unknown, formatDate: FormatDate): WireValue {
  if (value === null || value === undefined) return null
  if (typeof value === 'string') return withoutNul(value)
  if (Buffer.isBuffer(value)) return value
  if (value instanceof Date) return formatDate(value)
  if (Array.isArray(value)) return encodeArray(value, formatDate)
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value)
  return JSON.stringify(value) ?? null
}

/** PostgreSQL has no NUL in its texts, and in a statement it would end the message. */
export function withoutNul(text: string): string {
  if (!text.includes('\0')) return text
  throw new DatabaseError('parameter_invalid', 'A text for the database holds a NUL byte')
}

function encodeArray(values: readonly unknown[], formatDate: FormatDate): string {
  const elements = values.map((value) => {
    if (Array.isArray(value)) return encodeArray(value, formatDate)
    const encoded = encodeValue(value, formatDate)
    if (encoded === null) return 'NULL'
    if (Buffer.isBuffer(encoded)) return `"\\\\x${encoded.toString('hex')}"`
    return `"${encoded.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
  })
  return `{${elements.join(',')}}`
}
