/** A value of a JSON text, by where it stands. */
interface Node {
  readonly start: number
  readonly end: number
  /** Of an object, in their order; null for what is none. */
  readonly members: readonly Member[] | null
}

interface Member {
  readonly name: string
  readonly start: number
  readonly value: Node
}

const BLANK = /[ \t\n\r]*/y
const STRING = /"(?:[^"\\]|\\.)*"/y
const PLAIN = /[^\s,[\]{}]+/y

/**
 * The text of a JSON object with one value set or added, and everything else as it was: order, spaces, line ends.
 * The text must be valid JSON.
 */
export function changeJson(text: string, path: readonly string[], value: unknown): string {
  const unit = /\n([ \t]+)"/.exec(text)?.[1] ?? '  '
  const newline = text.includes('\r\n') ? '\r\n' : '\n'
  let node = readNode(text, 0)
  for (const [depth, name] of path.entries()) {
    const member = node.members?.findLast((each) => each.name === name)
    const rest = path.slice(depth + 1)
    if (member === undefined) {
      return addMember(text, node, name, wrap(rest, value), { unit, newline })
    }
    node = member.value
    if (node.members === null || rest.length === 0) {
      const indent = indentAt(text, member.start)
      return splice(text, node.start, node.end, write(wrap(rest, value), indent, unit, newline))
    }
  }
  return text
}

function addMember(
  text: string,
  { start, end, members }: Node,
  name: string,
  value: unknown,
  { unit, newline }: { readonly unit: string; readonly newline: string },
): string {
  const last = members?.at(-1)
  const isOneLine = !text.slice(start, last?.start ?? end).includes('\n')
  if (last === undefined) {
    const outer = indentAt(text, start)
    const inner = outer + unit
    const member = `${JSON.stringify(name)}: ${write(value, inner, unit, newline)}`
    return splice(text, start, end, `{${newline}${inner}${member}${newline}${outer}}`)
  }
  const indent = indentAt(text, last.start)
  const member = `${JSON.stringify(name)}: ${write(value, indent, unit, newline)}`
  const before = isOneLine ? ', ' : `,${newline}${indent}`
  return splice(text, last.value.end, last.value.end, before + member)
}

function wrap(path: readonly string[], value: unknown): unknown {
  return path.reduceRight<unknown>((inner, name) => ({ [name]: inner }), value)
}

/** A list is short, and stays on its line. */
function write(value: unknown, indent: string, unit: string, newline: string): string {
  if (Array.isArray(value)) return `[${value.map((each) => JSON.stringify(each)).join(', ')}]`
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  const inner = indent + unit
  const lines = Object.entries(value).map(
    ([name, each]) => `${inner}${JSON.stringify(name)}: ${write(each, inner, unit, newline)}`,
  )
  if (lines.length === 0) return '{}'
  return `{${newline}${lines.join(`,${newline}`)}${newline}${indent}}`
}

/** What the line of a place begins with. */
function indentAt(text: string, at: number): string {
  const line = text.slice(text.lastIndexOf('\n', at - 1) + 1)
  return /^[ \t]*/.exec(line)?.[0] ?? ''
}

function splice(text: string, start: number, end: number, by: string): string {
  return text.slice(0, start) + by + text.slice(end)
}

function readNode(text: string, from: number): Node {
  const start = skip(text, from, BLANK)
  if (text[start] === '{') {
    const members: Member[] = []
    let at = skip(text, start + 1, BLANK)
    while (text[at] !== '}') {
      const end = skip(text, at, STRING)
      const name: string = JSON.parse(text.slice(at, end))
      const value = readNode(text, skip(text, end, BLANK) + 1)
      members.push({ name, start: at, value })
      at = skipComma(text, value.end)
    }
    return { start, end: at + 1, members }
  }
  if (text[start] === '[') {
    let at = skip(text, start + 1, BLANK)
    while (text[at] !== ']') at = skipComma(text, readNode(text, at).end)
    return { start, end: at + 1, members: null }
  }
  return { start, end: skip(text, start, text[start] === '"' ? STRING : PLAIN), members: null }
}

function skipComma(text: string, from: number): number {
  const at = skip(text, from, BLANK)
  return text[at] === ',' ? skip(text, at + 1, BLANK) : at
}

function skip(text: string, from: number, pattern: RegExp): number {
  pattern.lastIndex = from
  pattern.test(text)
  return pattern.lastIndex
}
