/** What is said in a JSON text and would not be in the value that is made of it. */
export interface JsonLoss {
  /** Where, as `data.answers.3`; empty for the text as a whole. */
  readonly path: string
  readonly message: string
}

/** An object or an array that is open at this place of the text. */
interface Level {
  /** The names in an object so far; absent in an array. */
  readonly names?: Set<string>
  current: string | number
}

const QUOTE = 0x22
const PLUS = 0x2b
const COMMA = 0x2c
const MINUS = 0x2d
const POINT = 0x2e
const ZERO = 0x30
const NINE = 0x39
const LETTER_E = 0x65
/** The bit in which the two cases of a letter differ. */
const LOWER_CASE = 0x20
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
/** A number of so many characters, without an exponent, is within the 15 digits that every double keeps. */
const ALWAYS_KEPT_LENGTH = 15
/** So many digits tell each double from its neighbours, and programs write them: the 17th may be rounded away. */
const DIGITS_OF_A_DOUBLE = 17
const NO_TEXT = 'has half of a surrogate pair, which is no text'
const MAX_SHOWN_LENGTH = 40
const MAX_PATH_LENGTH = 200

/**
 * The first thing that `JSON.parse` loses of this text, which has to be valid: a name that stands twice in an object
 * (RFC 8259, section 4; forbidden by RFC 7493, section 2.3), the name `__proto__`, which objects do not keep, a number
 * that becomes another one (RFC 7493, section 2.2), and half of a surrogate pair, which is no text (section 2.1).
 */
export function findJsonLoss(text: string): JsonLoss | undefined {
  return new LossFinder(text).find()
}

/** Goes once through the text, without recursion: how deep it is comes from outside. */
class LossFinder {
  readonly #text: string
  readonly #levels: Level[] = []
  /** The innermost of them. */
  #level: Level | undefined
  /** Whether the next string is the name of a member. */
  #isName = false
  #fault: string | undefined

  constructor(text: string) {
    this.#text = text
  }

  find(): JsonLoss | undefined {
    const text = this.#text
    for (let at = 0; at < text.length; at += 1) {
      const code = text.charCodeAt(at)
      if (code === QUOTE) at = this.#takeString(at)
      else if (code === MINUS || (code >= ZERO && code <= NINE)) at = this.#takeNumber(at)
      else if (code === COMMA) this.#next()
      else if (code === OPEN_OBJECT || code === OPEN_ARRAY) this.#open(code === OPEN_OBJECT)
      else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) this.#close()
      if (this.#fault !== undefined) return { path: pathOf(this.#levels), message: this.#fault }
    }
    return undefined
  }

  #open(isObject: boolean): void {
    this.#isName = isObject
    this.#level = isObject ? { names: new Set(), current: '' } : { current: 0 }
    this.#levels.push(this.#level)
  }

  #close(): void {
    this.#levels.pop()
    this.#level = this.#levels.at(-1)
  }

  #next(): void {
    const level = this.#level
    if (level === undefined) return
    this.#isName = level.names !== undefined
    if (typeof level.current === 'number') level.current += 1
  }

  /** Answers where it ends. */
  #takeString(start: number): number {
    const end = endOfString(this.#text, start)
    const written = this.#text.slice(start + 1, end)
    const hasEscape = written.includes('\\')
    const level = this.#level
    if (this.#isName && level?.names !== undefined) {
      level.current = hasEscape ? unescape(written) : written
      this.#fault = faultOfName(level.current, level.names)
      this.#isName = false
    } else if (hasEscape && !unescape(written).isWellFormed()) {
      this.#fault = NO_TEXT
    }
    return end
  }

  #takeNumber(start: number): number {
    const end = endOfNumber(this.#text, start)
    this.#fault = faultOfNumber(this.#text.slice(start, end))
    return end - 1
  }
}

function pathOf(levels: readonly Level[]): string {
  const path = levels.map(({ current }) => String(current).toWellFormed()).join('.')
  return path.length > MAX_PATH_LENGTH ? `…${path.slice(-MAX_PATH_LENGTH)}` : path
}

/** The place of the closing quotation mark: the next one that no odd number of backslashes stands before. */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let before = at
    while (text[before - 1] === '\\') before -= 1
    if ((at - before) % 2 === 0) return at
  }
  return text.length
}

/** The place behind the number. */
function endOfNumber(text: string, start: number): number {
  let at = start + 1
  while (at < text.length && isOfNumber(text.charCodeAt(at))) at += 1
  return at
}

function isOfNumber(code: number): boolean {
  if (code >= ZERO && code <= NINE) return true
  return code === POINT || code === MINUS || code === PLUS || (code | LOWER_CASE) === LETTER_E
}

function unescape(written: string): string {
  return JSON.parse(`"${written}"`) as string
}

function faultOfName(name: string, names: Set<string>): string | undefined {
  if (name === '__proto__') return 'is a name that objects do not keep'
  if (names.has(name)) return 'stands twice in its object'
  if (!name.isWellFormed()) return NO_TEXT
  names.add(name)
  return undefined
}

function faultOfNumber(literal: string): string | undefined {
  const hasExponent = literal.includes('e') || literal.includes('E')
  if (literal.length <= ALWAYS_KEPT_LENGTH && !hasExponent) return undefined
  const value = Number(literal)
  if (Number.isFinite(value) && isKept(literal, value)) return undefined
  const shown = literal.length > MAX_SHOWN_LENGTH ? `${literal.slice(0, MAX_SHOWN_LENGTH)}…` : literal
  return `the number ${shown} would become ${value}`
}

/** Whether nothing of the number is lost but what every double rounds. */
function isKept(literal: string, value: number): boolean {
  const written = decimalOf(literal)
  const kept = decimalOf(String(value))
  if (written.digits === kept.digits && written.exponent === kept.exponent) return true
  const isWhole = written.exponent >= 0
  return value !== 0 && !isWhole && written.digits.length <= DIGITS_OF_A_DOUBLE
}

/** digits × 10^exponent, with neither a leading nor a trailing zero, so that equal numbers are written alike. */
function decimalOf(literal: string): { readonly digits: string; readonly exponent: number } {
  const [mantissa = '', power = '0'] = literal.toLowerCase().split('e')
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.')
  const all = whole + fraction
  // By hand: `/0+$/` takes quadratic time for many zeros that are not at the end.
  let start = 0
  while (all[start] === '0') start += 1
  let end = all.length
  while (end > start && all[end - 1] === '0') end -= 1
  if (start === end) return { digits: '', exponent: 0 }
  return { digits: all.slice(start, end), exponent: Number(power) - fraction.length + (all.length - end) }
}
