/** Where and why a text is not JSON. V8 names the position in some of its messages only. */
export interface JsonFault {
  /** Index of the first character that cannot be, in UTF-16 units; the length of the text at an early end. */
  readonly position: number
  readonly expected: string
}

const SPACE = /[ \t\n\r]*/y
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids raw control characters in strings
const PLAIN = /[^"\\\u0000-\u001f]*/y
/** Bounded, as what a pattern may go back over is kept on a stack. */
const ESCAPES = /(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})){1,1000}/y
const WORD = /true|false|null/y

/** Finds the first fault of a text, or null where the text is JSON. Iterative, so depth costs no stack. */
export function findJsonFault(text: string): JsonFault | null {
  let at = 0
  const skip = (pattern: RegExp): boolean => {
    pattern.lastIndex = at
    if (!pattern.test(text)) return false
    at = pattern.lastIndex
    return true
  }
  const fault = (expected: string): JsonFault => ({ position: at, expected })
  const readString = (): JsonFault | null => {
    at++
    for (;;) {
      skip(PLAIN)
      if (text[at] === '"') break
      if (!skip(ESCAPES)) return fault('a closing quote or a valid escape')
    }
    at++
    return null
  }
  const readKey = (): JsonFault | null => {
    skip(SPACE)
    if (text[at] !== '"') return fault('a key in double quotes')
    const broken = readString()
    if (broken) return broken
    skip(SPACE)
    if (text[at] !== ':') return fault('":" after a key')
    at++
    return null
  }

  const open: ('[' | '{')[] = []
  for (;;) {
    skip(SPACE)
    const start = text[at]
    let ended = true
    if (start === '"') {
      const broken = readString()
      if (broken) return broken
    } else if (start === '[' || start === '{') {
      at++
      skip(SPACE)
      if (text[at] === (start === '[' ? ']' : '}')) at++
      else {
        open.push(start)
        ended = false
        const broken = start === '{' ? readKey() : null
        if (broken) return broken
      }
    } else if (!skip(WORD) && !skip(NUMBER)) return fault('a value')

    while (ended) {
      skip(SPACE)
      const within = open.at(-1)
      if (within === undefined) return at === text.length ? null : fault('the end')
      const next = text[at]
      if (next === ',') {
        at++
        const broken = within === '{' ? readKey() : null
        if (broken) return broken
        ended = false
      } else if (next === (within === '[' ? ']' : '}')) {
        at++
        open.pop()
      } else return fault(within === '[' ? '"," or "]"' : '"," or "}"')
    }
  }
}
