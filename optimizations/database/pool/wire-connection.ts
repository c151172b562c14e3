import type { EventEmitter } from 'node:events'
import type { WireValue } from '../statements/encode-value.ts'

/**
 * The part of `pg`'s internal Connection that its submittable queries are given, in version 8.23. A contract test
 * fails when an upgrade takes any of it away.
 */
export interface WireConnection extends EventEmitter {
  readonly stream: { cork(): void; uncork(): void }
  /** What `pg` believes to be prepared, text by name; it fills this itself. */
  readonly parsedStatements: Record<string, string>
  parse(message: { readonly name: string; readonly text: string; readonly types: readonly number[] }): void
  bind(message: { readonly statement: string; readonly values: readonly WireValue[] }): void
  describe(message: { readonly type: 'P' | 'S'; readonly name: string }): void
  execute(message: Record<string, never>): void
  close(message: { readonly type: 'S'; readonly name: string }): void
  sync(): void
  query(text: string): void
}

export interface FieldDescription {
  readonly name: string
  readonly tableID: number
  readonly columnID: number
  readonly dataTypeID: number
}

export type TypeParser = (text: string) => unknown
export type TypeParsers = (oid: number) => TypeParser

/** How to make a row object of the fields of a data row. */
export interface RowShape {
  readonly fields: readonly FieldDescription[]
  readonly parsers: readonly TypeParser[]
  /** Spread into each row: objects of one shape are cheaper to make and to read. */
  readonly blank: Readonly<Record<string, unknown>>
}

export function rowShape(fields: readonly FieldDescription[], parserOf: TypeParsers): RowShape {
  return {
    fields,
    parsers: fields.map(({ dataTypeID }) => parserOf(dataTypeID)),
    blank: Object.fromEntries(fields.map(({ name }) => [name, null])),
  }
}

export function makeRow(
  { fields, parsers, blank }: RowShape,
  raw: readonly (string | null)[],
): Record<string, unknown> {
  const row = { ...blank }
  for (let index = 0; index < raw.length; index += 1) {
    const text = raw[index]
    if (typeof text === 'string') row[(fields[index] as FieldDescription).name] = (parsers[index] as TypeParser)(text)
  }
  return row
}
