// Writes the type declarations of the package: for each entry one file that imports nothing, made of the declarations
// of a few sources that import nothing but each other.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** The sources of each entry: what one says must not need a type of another one that stands in no list. */
const ENTRIES = {
  'index.d.ts': [
    'shared/lib/wording.ts',
    'shared/lib/errors.ts',
    'functions/library/types.ts',
    'functions/library/index.ts',
  ],
  'client.d.ts': [
    'shared/client/client-error.ts',
    'shared/client/types.ts',
    'shared/client/client.ts',
  ],
}

/** Declarations of one source, without its imports and re-exports. */
function declare(path) {
  const source = readFileSync(join(root, path), 'utf8')
  const { outputText, diagnostics } = ts.transpileDeclaration(source, {
    fileName: path,
    compilerOptions: { target: ts.ScriptTarget.ES2023, strict: true },
    reportDiagnostics: true,
  })
  const [problem] = diagnostics ?? []
  if (problem) {
    throw new Error(`${path}: ${ts.flattenDiagnosticMessageText(problem.messageText, '\n')}`)
  }
  return outputText
    .replace(/^(?:import|export) [^;]*? from '[^']*'(?: with \{[^}]*\})?;\n/gm, '')
    .replace(/^export \{\s*\};\n/gm, '')
    .replace(/^\/\*\*(?:(?!\*\/)[^\n])*\*\/\n(?=\/\*\*|$)/gm, '')
    .trim()
}

/** Names of values that an entry, the last of its sources, exports. */
function exportedValues(path) {
  const file = ts.createSourceFile(
    path,
    readFileSync(join(root, path), 'utf8'),
    ts.ScriptTarget.ES2023,
  )
  const names = file.statements.flatMap((statement) => {
    if (ts.isExportDeclaration(statement) && statement.exportClause && !statement.isTypeOnly) {
      return statement.exportClause.elements.map(({ name }) => name.text)
    }
    return ts.isFunctionDeclaration(statement) && isExported(statement) ? [statement.name.text] : []
  })
  return new Set(names)
}

function isExported(statement) {
  return statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false
}

/** Declarations without the functions that the entry does not export; a constant whose type is used stays, unexported. */
function keepExports(text, values) {
  const file = ts.createSourceFile('entry.d.ts', text, ts.ScriptTarget.ES2023, true)
  const kept = file.statements.flatMap((statement) => {
    const whole = statement.getFullText().trim()
    if (ts.isFunctionDeclaration(statement)) return values.has(statement.name.text) ? [whole] : []
    if (!ts.isVariableStatement(statement) || !isExported(statement)) return [whole]
    const [{ name }] = statement.declarationList.declarations
    if (values.has(name.text)) return [whole]
    return text.includes(`typeof ${name.text}`)
      ? [whole.replace(/^export declare/m, 'declare')]
      : []
  })
  // Without an export of its own, a declaration file exports everything that it declares.
  return `${kept.join('\n')}\nexport {};\n`
}

/** Writes `index.d.ts` and `client.d.ts` into a folder. */
export function writeDeclarations(folder) {
  for (const [name, sources] of Object.entries(ENTRIES)) {
    const text = sources.map(declare).join('\n\n')
    writeFileSync(join(folder, name), keepExports(text, exportedValues(sources.at(-1))))
  }
}
