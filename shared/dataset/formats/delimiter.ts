import { option, say, type Wording } from '../../lib/wording.ts'
import { isKnownColumn } from '../columns.ts'

/** Delimiters that are looked for, the likeliest first. */
const CANDIDATES = [',', ';', '\t', '|'] as const
/** Records that have to agree. */
const MAX_RECORDS = 100

const NAMES: Readonly<Record<string, string>> = {
  ',': 'comma',
  ';': 'semicolon',
  '\t': 'tab',
  '|': 'vertical bar',
}

/** Delimiters by the words that name them where a shell would take the character. */
export const DELIMITER_WORDS: Readonly<Record<string, string>> = {
  comma: ',',
  semicolon: ';',
  tab: '\t',
  pipe: '|',
}

/** What separates the fields of a file. */
export interface FoundDelimiter {
  readonly delimiter: string
  /** Another one that divides all records evenly as well. */
  readonly rival: string | null
  /** Fields of the first record. */
  readonly fields: number
}

/** A delimiter as messages say it: `semicolon`, `semicolons`. */
export function nameDelimiter(delimiter: string, number: 'one' | 'many'): string {
  const name = NAMES[delimiter]
  if (name === undefined) return `"${delimiter}"`
  return number === 'one' ? name : `${name}s`
}

/** What is said of a delimiter that was found. */
export function describeDelimiter({
  delimiter,
  rival,
}: Pick<FoundDelimiter, 'delimiter' | 'rival'>): Wording {
  const name = nameDelimiter(delimiter, 'many')
  if (rival === null) return say`fields are separated by ${name} here`
  const [word = rival] = Object.entries(DELIMITER_WORDS).find(([, each]) => each === rival) ?? []
  const other = option('delimiter', word)
  return say`fields are taken to be separated by ${name}; ${nameDelimiter(rival, 'many')} divide the rows evenly too: pass ${other} where those are meant`
}

/**
 * Tells the delimiter from the first records: the one that divides all of them into as many fields as the first.
 * Of several the one whose columns have usual names, then the one with most fields.
 * @param isWhole false where the text may end inside a record
 */
export function findDelimiter(text: string, isWhole: boolean, header: boolean): FoundDelimiter {
  const found = CANDIDATES.flatMap((delimiter) => {
    const { first, counts } = countFields(text, delimiter, isWhole)
    if (first.length < 2) return []
    const even = counts.filter((count) => count === first.length).length / counts.length
    const known = header ? first.filter(isKnownColumn).length : 0
    return [{ delimiter, even, known, fields: first.length }]
  })
  const likeliest = found.sort(
    (a, b) => b.even - a.even || b.known - a.known || b.fields - a.fields,
  )
  const [best, second] = likeliest
  if (best === undefined) return { delimiter: ',', rival: null, fields: 1 }
  const isTie = second !== undefined && second.even === best.even && second.known === best.known
  const { delimiter, fields } = best
  return { delimiter, rival: isTie ? second.delimiter : null, fields }
}

/** The fields of the first record, and how many each record has. */
function countFields(text: string, delimiter: string, isWhole: boolean) {
  const counts: number[] = []
  let first: string[] = []
  let fields: string[] = []
  let field = ''
  let quoted = false
  const endField = (): void => {
    fields.push(field.trim())
    field = ''
  }
  const endRecord = (): void => {
    endField()
    if (fields.length > 1 || fields[0] !== '') {
      if (counts.length === 0) first = fields
      counts.push(fields.length)
    }
    fields = []
  }
  for (let at = 0; at < text.length && counts.length < MAX_RECORDS; at++) {
    const character = text[at]!
    if (quoted) {
      if (character !== '"') field += character
      else if (text[at + 1] === '"') field += text[++at]
      else quoted = false
    } else if (character === '"' && field === '') quoted = true
    else if (character === delimiter) endField()
    else if (character === '\n' || character === '\r') endRecord()
    else field += character
  }
  const isEnd = isWhole && !quoted && (field !== '' || fields.length > 0)
  if (isEnd && counts.length < MAX_RECORDS) endRecord()
  return { first, counts }
}
