/**
 * Rewrites the ORM's `?` to `$1`, `$2`, … exactly where the ORM itself would paste a literal, quotes or not: `\?` is a
 * question mark, `??` an identifier. Answers null where that cannot be told (identifiers as parameters, `???`).
 */
export function numberPlaceholders(sql: string): { readonly text: string; readonly count: number } | null {
  let text = ''
  let count = 0
  let from = 0
  for (let at = sql.indexOf('?'); at !== -1; at = sql.indexOf('?', from)) {
    if (sql[at + 1] === '?') return null
    const isEscaped = at > 0 && sql[at - 1] === '\\'
    text += isEscaped ? `${sql.slice(from, at - 1)}?` : `${sql.slice(from, at)}$${(count += 1)}`
    from = at + 1
  }
  return { text: text + sql.slice(from), count }
}
