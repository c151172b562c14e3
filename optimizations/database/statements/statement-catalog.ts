import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { FieldDescription } from '../pool/wire-connection.ts'
import type { WireStatement } from '../pool/wire-query.ts'
import { bindParameters, oidsOf } from './bind-parameters.ts'
import { encodeValue, withoutNul, type FormatDate, type WireValue } from './encode-value.ts'
import { numberPlaceholders } from './placeholders.ts'
import { analyzeSql, type SqlAnalysis } from './sql-analysis.ts'
import type { Described } from './statement-call.ts'

export interface StatementCatalogOptions {
  /** How many texts are remembered, and how many characters they may have together. */
  readonly maxTexts: number
  readonly maxCharacters: number
  /** From this use on, a text of the ORM goes with bind parameters and under a name. */
  readonly prepareFromUse: number
}

/** Parses both forms on the server without running them, and answers their result columns. Rejects when it refuses. */
export type DescribeStatement = (text: string, oids: readonly number[]) => Promise<readonly FieldDescription[]>

export interface StatementCatalogDeps {
  readonly describe: DescribeStatement
  /** Runs detached work. */
  readonly detach: (work: () => Promise<void>) => void
  readonly formatDate: FormatDate
}

/** What is to be sent, and what is known of it. */
export interface PreparedCall extends Described {
  readonly statement: WireStatement
}

/** A text with one combination of parameter types. */
interface Variant {
  readonly statement: { readonly text: string; readonly name: string; readonly oids: readonly number[] }
  uses: number
  form: 'untried' | 'asking' | 'bound' | 'literal'
}

interface Template {
  readonly text: string
  readonly analysis: SqlAnalysis
  /** Why it can never be bound is not kept; that it cannot, is. */
  readonly isBindable: boolean
  readonly variants: Map<string, Variant>
}

/** More combinations of types than this come from texts whose numbers are now whole, now not: they stay literal. */
const MOST_VARIANTS = 32
const FULL_NAME_LENGTH = 24

/**
 * Knows every text that came by. A text of the ORM is first sent as the ORM sends it, with literals. Once it comes
 * again and again, the server is asked to parse both forms, and only when it accepts the bound one and announces the
 * same result columns does the text go bound and prepared from then on: what would mean something else stays literal.
 */
export class StatementCatalog {
  readonly #deps: StatementCatalogDeps
  readonly #options: StatementCatalogOptions
  readonly #templates: LRUCache<string, Template>
  readonly #analyses: LRUCache<string, SqlAnalysis>
  #preparedUses = 0

  constructor(deps: StatementCatalogDeps, options: StatementCatalogOptions) {
    this.#deps = deps
    this.#options = options
    const limits = { max: options.maxTexts, maxSize: options.maxCharacters }
    this.#templates = new LRUCache({ ...limits, sizeCalculation: (_, source) => source.length + 1 })
    this.#analyses = new LRUCache({ ...limits, sizeCalculation: (_, source) => source.length + 1 })
  }

  get preparedUses(): number {
    return this.#preparedUses
  }

  /** How many texts are remembered. */
  get size(): number {
    return this.#templates.size + this.#analyses.size
  }

  analyze(text: string): SqlAnalysis {
    const known = this.#analyses.get(text)
    if (known !== undefined) return known
    const analysis = analyzeSql(text)
    this.#analyses.set(text, analysis)
    return analysis
  }

  /** What to send for a text of the ORM. `literal` makes the ORM's own form and is called only where it is needed. */
  ofTemplate(source: string, params: readonly unknown[], literal: () => string): PreparedCall {
    const template = this.#templates.get(source) ?? this.#remember(source, this.#ofOrm(source))
    const { analysis } = template
    const bound = template.isBindable ? bindParameters(params, this.#deps.formatDate) : null
    const variant =
      bound === null || !hasAllParameters(template, bound) ? null : this.#variant(template, bound.signature)
    if (variant === null || bound === null) return { statement: plain(literal()), analysis, identity: null }
    const identity = { text: template.text, bound }
    variant.uses += 1
    if (variant.form === 'untried' && variant.uses >= this.#options.prepareFromUse) this.#ask(variant, literal())
    if (variant.form !== 'bound') return { statement: plain(literal()), analysis, identity }
    this.#preparedUses += 1
    const { text, name, oids } = variant.statement
    return { statement: { text, name, parameters: { values: bound.values, oids } }, analysis, identity }
  }

  /** What to send for a text with `$1`, `$2`, … of its author: always bound, its types are PostgreSQL's to tell. */
  ofText(text: string, params: readonly unknown[], isRegistered: boolean): PreparedCall {
    // The mark keeps a `?` of the author's, which is an operator, apart from the ORM's.
    const template = this.#templates.get(`$ ${text}`) ?? this.#remember(`$ ${text}`, this.#authored(text))
    const { analysis } = template
    const variant = this.#variant(template, '')
    if (variant === null || !analysis.isSingleStatement) return { statement: plain(text), analysis, identity: null }
    variant.uses += 1
    const isNamed = isRegistered || (isPlannable(analysis) && variant.uses >= this.#options.prepareFromUse)
    if (!isNamed && params.length === 0) return { statement: plain(text), analysis, identity: null }
    if (isNamed) {
      this.#preparedUses += 1
      variant.form = 'bound'
    }
    const values: WireValue[] = params.map((value) => encodeValue(value, this.#deps.formatDate))
    const name = isNamed ? variant.statement.name : null
    return { statement: { text, name, parameters: { values, oids: [] } }, analysis, identity: null }
  }

  /** The most used prepared statements, for a new connection to prepare before it is used. */
  mostUsed(count: number): readonly Variant['statement'][] {
    const bound: Variant[] = []
    for (const { variants } of this.#templates.values()) {
      for (const variant of variants.values()) if (variant.form === 'bound') bound.push(variant)
    }
    bound.sort((one, other) => other.uses - one.uses)
    return bound.slice(0, count).map(({ statement }) => statement)
  }

  #authored(text: string): Template {
    return { text, analysis: this.analyze(text), isBindable: true, variants: new Map() }
  }

  #remember(key: string, template: Template): Template {
    this.#templates.set(key, template)
    return template
  }

  #ofOrm(source: string): Template {
    const numbered = numberPlaceholders(source)
    const text = numbered?.text ?? source
    const analysis = this.analyze(text)
    const isBindable =
      numbered !== null &&
      numbered.count === analysis.parameters &&
      isPlannable(analysis) &&
      analysis.isSingleStatement &&
      !analysis.hasPositionalParameter
    return { text, analysis, isBindable, variants: new Map() }
  }

  #variant({ text, variants }: Template, signature: string): Variant | null {
    const known = variants.get(signature)
    if (known !== undefined) return known
    if (variants.size >= MOST_VARIANTS) return null
    const name = `h_${createHash('sha256').update(`${signature} ${text}`).digest('base64url').slice(0, FULL_NAME_LENGTH)}`
    const variant: Variant = { statement: { text, name, oids: oidsOf(signature) }, uses: 0, form: 'untried' }
    variants.set(signature, variant)
    return variant
  }

  /** One question for each variant. When the server cannot be asked, it is asked at a later use. */
  #ask(variant: Variant, literal: string): void {
    variant.form = 'asking'
    this.#deps.detach(async () => {
      try {
        const { text, oids } = variant.statement
        const own = await this.#deps.describe(literal, [])
        variant.form = isSame(own, await this.#deps.describe(text, oids).catch(refusal)) ? 'bound' : 'literal'
      } catch {
        variant.form = 'untried'
        variant.uses = 0
      }
    })
  }
}

const plain = (text: string): WireStatement => ({ text: withoutNul(text), name: null, parameters: null })

/** The kinds that have a plan worth keeping. */
function isPlannable({ kind, verb }: SqlAnalysis): boolean {
  return kind === 'read' || (kind === 'write' && verb !== 'truncate' && verb !== 'copy' && verb !== 'explain')
}

function hasAllParameters({ analysis }: Template, { values }: { readonly values: readonly WireValue[] }): boolean {
  return analysis.parameters === values.length
}

/** An error of the server says that the bound form is not accepted; any other that nothing was learned. */
function refusal(error: unknown): null {
  if (error instanceof Error && 'severity' in error) return null
  throw error
}

function isSame(own: readonly FieldDescription[], other: readonly FieldDescription[] | null): boolean {
  if (other === null || own.length !== other.length) return false
  return own.every(({ name, dataTypeID }, index) => {
    const field = other[index]
    return field !== undefined && field.name === name && field.dataTypeID === dataTypeID
  })
}
