import ts from 'typescript'

/** A word of the glossary and the words that it replaces. */
export interface GlossaryEntry {
  readonly word: string
  readonly not: readonly string[]
}

/** A forbidden word where it stands. */
export interface WordUse {
  readonly found: string
  readonly instead: string
  readonly line: number
}

/** Rows of the glossary's tables: `| word | meaning | not |`. */
export function readGlossary(page: string): GlossaryEntry[] {
  const rows = page.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| ---'))
  return rows
    .map((row) => row.split('|').map((cell) => cell.trim()))
    .map(([, word = '', , not = '']) => ({ word, not: not === '' ? [] : not.split(', ') }))
    .filter(({ word }) => word !== 'word')
}

/** Forbidden words in the prose of a Markdown page: code blocks and code spans are left out. */
export function findInPage(page: string, glossary: readonly GlossaryEntry[]): WordUse[] {
  let isCode = false
  return page.split('\n').flatMap((line, at) => {
    if (/^\s*```/.test(line)) isCode = !isCode
    const prose = isCode ? '' : line.replace(/`[^`]*`/g, '').replace(/\]\([^)]*\)/g, ']')
    return findWords(prose, at + 1, glossary)
  })
}

/** Forbidden words in strings of TypeScript source that a person may read: those with a space in them. */
export function findInMessages(source: string, glossary: readonly GlossaryEntry[]): WordUse[] {
  // Most files have none of the words anywhere: they need no parsing.
  if (findWords(source, 1, glossary).length === 0) return []
  const file = ts.createSourceFile('source.ts', source, ts.ScriptTarget.ES2023, true)
  const uses: WordUse[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node) || isTemplatePart(node)) {
      const line = file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1
      if (node.text.trim().includes(' ')) uses.push(...findWords(node.text, line, glossary))
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  return uses
}

function isTemplatePart(
  node: ts.Node,
): node is ts.TemplateHead | ts.TemplateMiddle | ts.TemplateTail {
  return ts.isTemplateHead(node) || ts.isTemplateMiddle(node) || ts.isTemplateTail(node)
}

function findWords(text: string, line: number, glossary: readonly GlossaryEntry[]): WordUse[] {
  return glossary.flatMap(({ word, not }) =>
    not.flatMap((forbidden) => {
      const found = new RegExp(`\\b${forbidden}s?\\b`, 'i').exec(text)
      return found ? [{ found: found[0], instead: word, line }] : []
    }),
  )
}
