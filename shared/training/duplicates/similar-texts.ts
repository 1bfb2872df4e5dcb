/** Longer texts are compared by their first characters: an encoder reads no more of them. */
const COMPARED_CHARACTERS = 2_000
/** Rows with this cosine are compared by what is written. */
export const CLOSE = 0.95
const COMMON_IF_CLOSE = 0.85
/** Rows with this cosine are the same unless their texts have little in common: vectors of unknown letters are all alike. */
export const EQUAL = 0.99
const COMMON_IF_EQUAL = 0.5
const NO_LETTERS = /[^\p{L}\p{N}\p{M}\p{S}]+/gu

/**
 * What of a text is compared: its letters, digits and symbols in lower case, with one space for whatever stands between. A text
 * without any of them, such as "?!", is compared as it is.
 */
export function comparedText(text: string): string {
  const cut = text.slice(0, COMPARED_CHARACTERS)
  const bare = cut.normalize('NFKC').toLowerCase().replaceAll(NO_LETTERS, ' ').trim()
  return bare === '' ? text.trim() : bare
}

/** Whether two rows say the same, by the cosine of their vectors and their compared texts; images have none. */
export function isSame(a: string | undefined, b: string | undefined, cosine: number): boolean {
  if (a === undefined || b === undefined) return cosine >= EQUAL
  return shareInCommon(a, b) >= (cosine >= EQUAL ? COMMON_IF_EQUAL : COMMON_IF_CLOSE)
}

/**
 * Share of the pairs of neighbouring characters that two compared texts have in common, 0 to 1 (Dice, 1945). It needs no
 * words, so that it serves scripts without spaces as well.
 */
function shareInCommon(a: string, b: string): number {
  if (a === b) return 1
  const counts = new Map<string, number>()
  const ofA = ` ${a} `
  for (let i = 0; i + 2 <= ofA.length; i++) {
    const pair = ofA.slice(i, i + 2)
    counts.set(pair, (counts.get(pair) ?? 0) + 1)
  }
  const ofB = ` ${b} `
  let common = 0
  for (let i = 0; i + 2 <= ofB.length; i++) {
    const pair = ofB.slice(i, i + 2)
    const left = counts.get(pair) ?? 0
    if (left === 0) continue
    counts.set(pair, left - 1)
    common++
  }
  return (2 * common) / (ofA.length + ofB.length - 2)
}
