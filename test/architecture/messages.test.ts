import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { OPTIONS, TASKS } from '../../shared/lib/wording.ts'
import { runCommand } from '../unit/cli/run.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** Places of shared that may speak the language of one surface, each with the reason. */
const BY_RIGHT = [
  // A client of the HTTP API is made of its routes.
  'shared/client/',
  // Advice in a report is a command to paste, and the report is stored with the version.
  'shared/reports/advice.ts',
]

/** What only a surface knows, and how shared says it instead. Custom properties of CSS look like options, but for what follows. */
const WORDS_OF_SURFACES = [
  { words: /(?:^|[\s"'`]|(?<!var)\()--[a-z][a-z-]*(?![\w:-])|(?:^|\s)--$/, instead: "option('…')" },
  { words: /\bespalier [a-z]+/, instead: "task('…')" },
  {
    words:
      /(?:^|[\s"'`(])\/(?:v\d|admin|classify|embed|health|info|live|metrics|models|openapi|predict|ready)\b/,
    instead: 'a hint that a surface prints',
  },
]

/** Every text of a source that speaks the language of one surface: line, text and what to write. */
function findWords(path: string, source: string): string[] {
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.ES2023, true)
  const found: string[] = []
  const visit = (node: ts.Node): void => {
    if (isText(node)) {
      for (const { words, instead } of WORDS_OF_SURFACES) {
        if (!words.test(node.text)) continue
        const line = file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1
        found.push(`${path}:${line} says "${node.text.trim()}": write ${instead}`)
      }
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  return found
}

function isText(node: ts.Node): node is ts.LiteralLikeNode {
  return (
    ts.isStringLiteralLike(node) ||
    node.kind === ts.SyntaxKind.TemplateHead ||
    node.kind === ts.SyntaxKind.TemplateMiddle ||
    node.kind === ts.SyntaxKind.TemplateTail
  )
}

describe('texts of shared', () => {
  it('name no option, command or route: surfaces do', () => {
    const paths = readdirSync(`${root}shared`, { recursive: true, encoding: 'utf8' })
      .map((path) => `shared/${path.replaceAll('\\', '/')}`)
      .filter((path) => path.endsWith('.ts') && !BY_RIGHT.some((room) => path.startsWith(room)))
    expect(paths.length).toBeGreaterThan(200)
    const found = paths.flatMap((path) => findWords(path, readFileSync(`${root}${path}`, 'utf8')))
    expect(found).toEqual([])
  })

  it.each([
    "'pass --name'",
    "'--name'",
    '`; "espalier models" lists them`',
    "'GET /v1/models lists them'",
    "'/classify'",
  ])('%s is found', (text) => {
    expect(findWords('shared/lib/a.ts', `const a = ${text}`)).toHaveLength(1)
  })

  it('may say so in comments', () => {
    expect(
      findWords('shared/lib/a.ts', '/** As "espalier train" does: --name, /embed. */'),
    ).toEqual([])
  })
})

describe('the command line', () => {
  const help = async (...command: string[]) => {
    const boot = () => Promise.reject(new Error('help needs no parts'))
    return (await runCommand([...command, '--help'], { boot })).stdout
  }

  /** The help of a command and of all below it. */
  async function helpBelow(...command: string[]): Promise<string[]> {
    const text = await help(...command)
    const listed = text.split('\nCommands:\n')[1]?.split('\n\n')[0] ?? ''
    const names = [...listed.matchAll(/^ {2}([a-z]+)/gm)].map(([, name]) => name!)
    const below = names.filter((name) => name !== 'help').map((name) => helpBelow(...command, name))
    return [text, ...(await Promise.all(below)).flat()]
  }

  it('has every option and every task that messages name', async () => {
    const texts = await helpBelow()
    const missing = OPTIONS.filter(
      (name) => !texts.some((text) => new RegExp(`(?:^|\\s)--${name}\\b`, 'm').test(text)),
    )
    expect(missing).toEqual([])
    for (const task of TASKS) {
      expect(await help(...task.split(' '))).toContain(`Usage: espalier ${task}`)
    }
  })
})
