const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

// What XML 1.0 forbids, what a terminal obeys, and what turns the direction of text around.
const UNSAFE =
  /[\p{Cc}\p{Surrogate}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]/gu

/** User text on one line, without control and direction characters. */
export function toPlainLine(text: string): string {
  return text.replace(/\s+/g, ' ').replace(UNSAFE, '\ufffd').trim()
}

/** Text for an element's content or a quoted attribute, of HTML and XML alike. */
export function escapeXml(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .replace(UNSAFE, '\ufffd')
    .replace(/[&<>"']/g, (character) => ENTITIES[character]!)
}

/**
 * User text as itself inside Markdown, also in a table: a code span, which a terminal reader can read and
 * which nothing inside can end; the few texts that could end it or a table cell become entities.
 */
export function toCodeSpan(text: string): string {
  const line = toPlainLine(text)
  if (line === '') return '(empty)'
  if (!/[`|]/.test(line)) return `\`${line}\``
  return line.replace(/[!-/:-@[-`{-~]/g, (character) => `&#${character.charCodeAt(0)};`)
}

/** A sentence that may quote user text, as Markdown that means nothing but itself. */
export function escapeMarkdown(text: string): string {
  return toPlainLine(text)
    .replace(/[\\`*[\]<>|~&#]/g, '\\$&')
    .replace(/(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, '\\_')
}

/** User text as a fenced block whose fence is longer than any in the text. */
export function toFence(text: string): string {
  const line = toPlainLine(text)
  const longest = Math.max(2, ...Array.from(line.matchAll(/`+/g), (match) => match[0].length))
  const fence = '`'.repeat(longest + 1)
  return `${fence}\n${line}\n${fence}`
}
