export type WireValue = string | Buffer | null
export type FormatDate = (date: Date) => string

/** The text form of a value for the wire; bytes stay bytes. An object becomes JSON, an array a PostgreSQL array. */
export function encodeValue(value: unknown, formatDate: FormatDate): WireValue {
  if (value === null || value === undefined) return null
  if (typeof value === 'string' || Buffer.isBuffer(value)) return value
  if (value instanceof Date) return formatDate(value)
  if (Array.isArray(value)) return encodeArray(value, formatDate)
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value)
  return JSON.stringify(value) ?? null
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
