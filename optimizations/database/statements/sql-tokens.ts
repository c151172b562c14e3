/**
 * word: a keyword or an unquoted identifier, lower-cased as PostgreSQL does. quoted: an identifier that was quoted.
 * value: any literal. parameter: `$1`. symbol: everything else, one character each.
 */
export type TokenKind = 'word' | 'quoted' | 'value' | 'parameter' | 'symbol'

export interface Token {
  readonly kind: TokenKind
  readonly text: string
  /** How many parentheses are open around it. */
  readonly depth: number
}

/**
 * Lexical structure after PostgreSQL's manual, chapter 4.1. Order matters: strings with a prefix come before words,
 * comments before operators. `\$(\w*)\$` opens a dollar-quoted string, whose end is looked for by hand, as is that of
 * a block comment, because both nest or match in ways that a regular expression cannot say.
 */
const TOKEN =
  /\s+|--[^\n]*|(\/\*)|([eE]'(?:[^'\\]|\\[^]|'')*')|((?:[bBxXnN]|[uU]&)?'(?:[^']|'')*')|((?:[uU]&)?"(?:[^"]|"")*")|\$(\d+)|\$([A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$|([A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)|(0[xXoObB][\da-fA-F_]+|(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d+)?)|[^]/y

/** Reads SQL into tokens, without white space and comments. Never throws: what is unfinished ends with the text. */
export function tokenizeSql(sql: string): Token[] {
  const tokens: Token[] = []
  const pattern = new RegExp(TOKEN)
  let depth = 0
  for (let at = 0; at < sql.length; at = pattern.lastIndex) {
    pattern.lastIndex = at
    const match = pattern.exec(sql)
    if (match === null) break
    const [whole, comment] = match
    if (comment !== undefined) pattern.lastIndex = endOfComment(sql, at)
    else if (isDollarQuote(whole)) {
      const end = sql.indexOf(whole, pattern.lastIndex)
      pattern.lastIndex = end === -1 ? sql.length : end + whole.length
      tokens.push({ kind: 'value', text: sql.slice(at, pattern.lastIndex), depth })
    } else if (!isSkipped(whole)) {
      if (whole === ')') depth -= 1
      tokens.push(tokenOf(match, depth))
      if (whole === '(') depth += 1
    }
  }
  return tokens
}

function tokenOf([whole, , escaped, plain, quoted, parameter, , word, number]: RegExpExecArray, depth: number): Token {
  if (word !== undefined) return { kind: 'word', text: word.toLowerCase(), depth }
  if (quoted !== undefined) return { kind: 'quoted', text: unquote(quoted), depth }
  if (parameter !== undefined) return { kind: 'parameter', text: whole, depth }
  return { kind: (escaped ?? plain ?? number) === undefined ? 'symbol' : 'value', text: whole, depth }
}

const isDollarQuote = (text: string): boolean => text.length > 1 && text.startsWith('$') && text.endsWith('$')

function isSkipped(text: string): boolean {
  return text.trim() === '' || text.startsWith('--')
}

function unquote(identifier: string): string {
  return identifier.slice(identifier.indexOf('"') + 1, -1).replaceAll('""', '"')
}

/** Block comments nest in PostgreSQL, other than in the SQL standard. */
function endOfComment(sql: string, start: number): number {
  const edge = /\/\*|\*\//g
  edge.lastIndex = start + 2
  for (let open = 1; open > 0;) {
    const found = edge.exec(sql)
    if (found === null) return sql.length
    open += found[0] === '/*' ? 1 : -1
  }
  return edge.lastIndex
}
