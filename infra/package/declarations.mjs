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

/** Writes `index.d.ts` and `client.d.ts` into a folder. */
export function writeDeclarations(folder) {
  for (const [name, sources] of Object.entries(ENTRIES)) {
    writeFileSync(join(folder, name), `${sources.map(declare).join('\n\n')}\n`)
  }
}
