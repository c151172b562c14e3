import { ReferenceKind, type EntityMetadata, type EntityProperty, type Platform } from '@mikro-orm/core'

/** How to read rows of one entity by primary key without the ORM's query builder. */
export interface FinderPlan {
  readonly sql: string
  readonly keyColumn: string
  /** The key as the database will answer it, or null when it cannot be told: then the ORM asks. */
  readonly normalize: (key: unknown) => string | null
}

const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i
const DIGITS = /^-?[1-9]\d{0,18}$|^0$/

/** A number that the type cannot hold is no error for the ORM, whose literal is of a wider type. */
const integerWithin =
  (bits: bigint) =>
  (key: unknown): string | null => {
    const isNumeric = typeof key === 'number' || typeof key === 'bigint' || typeof key === 'string'
    if (!isNumeric || !DIGITS.test(String(key))) return null
    const value = BigInt(key)
    return value < 1n << bits && value >= -(1n << bits) ? String(key) : null
  }

/** Only types whose text is the same on the way out as it was on the way in. */
const NORMALIZERS: Readonly<Record<string, FinderPlan['normalize']>> = {
  uuid: (key) => (typeof key === 'string' && UUID.test(key) ? key.toLowerCase() : null),
  int: integerWithin(31n),
  smallint: integerWithin(15n),
  bigint: integerWithin(63n),
  text: (key) => (typeof key === 'string' ? key : null),
  varchar: (key) => (typeof key === 'string' ? key : null),
}

/** Null where the plain read of a row is not all that the ORM would do: inheritance, formulas, eager relations, filters. */
export function planFinder(meta: EntityMetadata, platform: Platform, defaultSchema?: string): FinderPlan | null {
  const [keyName] = meta.primaryKeys
  const key = keyName === undefined ? undefined : meta.properties[keyName as never]
  if (key === undefined || !isPlain(meta) || key.fieldNames.length !== 1) return null
  const [columnType = ''] = key.columnTypes
  const normalize = NORMALIZERS[/^[a-z]+/.exec(columnType)?.[0] ?? '']
  const [keyColumn] = key.fieldNames
  if (normalize === undefined || keyColumn === undefined || key.kind !== ReferenceKind.SCALAR) return null
  const columns = meta.props.filter(isRead).flatMap((prop) => prop.fieldNames)
  const quote = (name: string): string => platform.quoteIdentifier(name)
  const schema = meta.schema ?? defaultSchema
  const table = schema === undefined ? quote(meta.tableName) : `${quote(schema)}.${quote(meta.tableName)}`
  const list = [...new Set(columns)].map(quote).join(', ')
  return { sql: `select ${list} from ${table} where ${quote(keyColumn)} = any($1)`, keyColumn, normalize }
}

function isPlain(meta: EntityMetadata): boolean {
  const isInherited = meta.root !== meta || meta.discriminatorColumn !== undefined || meta.extends !== undefined
  const isOrdinary = !meta.compositePK && !meta.virtual && !meta.view && meta.schema !== '*'
  const hasFilters = Object.keys(meta.filters).length > 0
  return isOrdinary && !isInherited && !hasFilters && !meta.props.some(needsMore)
}

const needsMore = (prop: EntityProperty): boolean =>
  prop.formula !== undefined || prop.eager === true || prop.kind === ReferenceKind.EMBEDDED

const isRead = (prop: EntityProperty): boolean =>
  prop.persist !== false && prop.lazy !== true && Array.isArray(prop.fieldNames) && isOwned(prop)

function isOwned({ kind, owner }: EntityProperty): boolean {
  if (kind === ReferenceKind.ONE_TO_ONE) return owner
  return kind === ReferenceKind.SCALAR || kind === ReferenceKind.MANY_TO_ONE
}
