import { tokenizeSql, type Token } from './sql-tokens.ts'

/**
 * read: returns rows and changes none, functions apart. write: changes rows of `targets`. transaction: begins or ends
 * one. session: touches no row. other: may change anything, such as DDL, CALL and several statements in one text.
 */
export type SqlKind = 'read' | 'write' | 'transaction' | 'session' | 'other'

/** What a text alone can tell, without a catalog. */
export interface SqlAnalysis {
  readonly kind: SqlKind
  /** The first word, lower-cased: `select`, `commit`, …. */
  readonly verb: string
  /** Every identifier and keyword that occurs, once each. A table that is read is among them. */
  readonly names: readonly string[]
  /** The tables that are written to, without schema; null when they cannot be told. */
  readonly targets: readonly string[] | null
  /** What is followed by an opening parenthesis. */
  readonly functions: readonly string[]
  /** FOR UPDATE and its kin: the rows are locked, so the statement is more than a read. */
  readonly locksRows: boolean
  readonly parameters: number
  /** A bare parameter in ORDER BY, GROUP BY or DISTINCT ON, where a literal number would be a column's position. */
  readonly hasPositionalParameter: boolean
  readonly isSingleStatement: boolean
  /** The text without literals, spacing, comments and list lengths. Shared by all statements of one shape. */
  readonly fingerprint: string
}

const READ_VERBS = new Set(['select', 'values', 'table', 'with'])
const TRANSACTION_VERBS = new Set(['begin', 'start', 'commit', 'end', 'rollback', 'abort', 'savepoint', 'release'])
const SESSION_VERBS = new Set(
  (
    'set show reset listen unlisten notify discard deallocate explain lock fetch declare close move analyze vacuum ' +
    'checkpoint'
  ).split(' '),
)
const LONGEST_FINGERPRINT = 4_000

export function analyzeSql(sql: string): SqlAnalysis {
  const tokens = tokenizeSql(sql)
  while (tokens.at(-1)?.text === ';') tokens.pop()
  const verb = tokens.find(({ kind }) => kind === 'word')?.text ?? ''
  const isSingleStatement = !tokens.some(({ kind, text }) => kind === 'symbol' && text === ';')
  const targets = isSingleStatement ? writtenTables(tokens) : null
  const kind = isSingleStatement ? kindOf(verb, tokens, targets) : 'other'
  return {
    kind,
    verb,
    names: [...new Set(tokens.filter(isName).map(({ text }) => text))],
    targets: kind === 'write' ? targets : kind === 'other' ? null : [],
    functions: [...new Set(tokens.filter((token, at) => isName(token) && isSymbol(tokens[at + 1], '(')).map(textOf))],
    locksRows: tokens.some((token, at) => isLockingClause(token, tokens[at + 1])),
    parameters: new Set(tokens.filter((token) => token.kind === 'parameter').map(textOf)).size,
    hasPositionalParameter: tokens.some((_, at) => isPositionalList(tokens, at) && hasBareParameter(tokens, at + 1)),
    isSingleStatement,
    fingerprint: fingerprintOf(tokens),
  }
}

const textOf = ({ text }: Token): string => text
const isName = ({ kind }: Token): boolean => kind === 'word' || kind === 'quoted'
const isWord = (token: Token | undefined, ...words: readonly string[]): boolean =>
  token?.kind === 'word' && words.includes(token.text)
const isSymbol = (token: Token | undefined, text: string): boolean => token?.kind === 'symbol' && token.text === text
const isLockingClause = (token: Token, next: Token | undefined): boolean =>
  isWord(token, 'for') && isWord(next, 'update', 'share', 'no', 'key')

function kindOf(verb: string, tokens: readonly Token[], targets: readonly string[] | null): SqlKind {
  if (targets === null || targets.length > 0) return 'write'
  if (READ_VERBS.has(verb)) return tokens.some((token) => isWord(token, 'into')) ? 'other' : 'read'
  if (TRANSACTION_VERBS.has(verb)) return 'transaction'
  return SESSION_VERBS.has(verb) ? 'session' : 'other'
}

/** The tables after INSERT INTO, UPDATE, DELETE FROM, MERGE INTO and TRUNCATE, wherever in the text; null: unclear. */
function writtenTables(tokens: readonly Token[]): string[] | null {
  const targets = new Set<string>()
  for (const [at, token] of tokens.entries()) {
    const next = tokens[at + 1]
    let start: number | undefined
    if (isWord(token, 'insert', 'merge') && isWord(next, 'into')) start = at + 2
    else if (isWord(token, 'delete') && isWord(next, 'from')) start = at + 2
    else if (isWord(token, 'update') && !isWord(tokens[at - 1], 'for', 'key', 'do', 'on')) start = at + 1
    else if (isWord(token, 'truncate') && at === 0) start = isWord(next, 'table') ? 2 : 1
    if (start === undefined) continue
    const named = tableNames(tokens, start, token.text)
    if (named === null) return null
    for (const name of named) targets.add(name)
  }
  return [...targets]
}

/** TRUNCATE alone takes a list; with CASCADE it also takes tables that the text does not name. */
function tableNames(tokens: readonly Token[], start: number, verb: string): string[] | null {
  const separator = verb === 'truncate' ? ',' : 'none'
  if (verb === 'truncate' && tokens.some((token) => isWord(token, 'cascade'))) return null
  const names: string[] = []
  for (let at = start; at === start || isSymbol(tokens[at - 1], separator); at += 1) {
    if (isWord(tokens[at], 'only')) at += 1
    let name = tokens[at]
    while (isSymbol(tokens[at + 1], '.')) name = tokens[(at += 2)]
    if (name === undefined || !isName(name)) return null
    names.push(name.text)
    at += 1
    if (isSymbol(tokens[at], '*')) at += 1
  }
  return names
}

function isPositionalList(tokens: readonly Token[], at: number): boolean {
  const previous = tokens[at - 1]
  if (isWord(tokens[at], 'by')) return isWord(previous, 'order', 'group')
  return isWord(tokens[at], 'on') && isWord(previous, 'distinct')
}

function hasBareParameter(tokens: readonly Token[], start: number): boolean {
  const opening = isSymbol(tokens[start], '(') ? 1 : 0
  const depth = (tokens[start]?.depth ?? 0) + opening
  for (let at = start; at < tokens.length; at += 1) {
    const token = tokens[at] as Token
    if (token.depth < depth - opening) return false
    if (token.kind !== 'parameter' || token.depth > depth) continue
    if (at === start || isSymbol(tokens[at - 1], ',') || isSymbol(tokens[at - 1], '(')) return true
  }
  return false
}

/** `in (?, ?, ?)` and `values (?, ?), (?, ?)` lose their lengths: they would be a shape each. */
function fingerprintOf(tokens: readonly Token[]): string {
  const parts: string[] = []
  const endsWith = (...end: readonly string[]): boolean =>
    end.every((part, index) => parts[parts.length - end.length + index] === part)
  for (const token of tokens) {
    const isValue = token.kind === 'value' || token.kind === 'parameter'
    parts.push(isValue ? '?' : token.kind === 'quoted' ? `"${token.text.replaceAll('"', '""')}"` : token.text)
    if (isValue && endsWith('?', ',', '?')) parts.length -= 2
    if (endsWith('(', '?', ')', ',', '(', '?', ')')) parts.length -= 4
  }
  return parts.join(' ').slice(0, LONGEST_FINGERPRINT)
}
