import ts from 'typescript'

/** How an import takes part at run time: erased, loaded with the module, or loaded when reached. */
export type ImportKind = 'types' | 'static' | 'dynamic'

/** One import, re-export, dynamic import or import type of a source file. */
export interface SourceImport {
  readonly specifier: string
  readonly kind: ImportKind
  readonly line: number
}

/** A construct that the house rules forbid somewhere. */
export interface SourceUse {
  readonly what: 'process.env' | 'default export' | 'any' | 'enum'
  readonly line: number
}

/** What the rules need to know about one file. */
export interface SourceFacts {
  readonly imports: readonly SourceImport[]
  readonly uses: readonly SourceUse[]
  /** False for a file of types alone. */
  readonly hasValues: boolean
  readonly lines: number
}

/** Source files by their paths. */
export type SourceTree = ReadonlyMap<string, string>

/** What is known of each file of a tree, by its path. */
export type TreeFacts = ReadonlyMap<string, SourceFacts>

/** Reads all files of a tree. */
export function readTreeFacts(tree: SourceTree): TreeFacts {
  return new Map([...tree].map(([path, source]) => [path, readSourceFacts(source)]))
}

/** Reads imports and forbidden constructs from TypeScript source. */
export function readSourceFacts(source: string): SourceFacts {
  const file = ts.createSourceFile('source.ts', source, ts.ScriptTarget.ES2023, true)
  const imports: SourceImport[] = []
  const uses: SourceUse[] = []
  const lineOf = (node: ts.Node) => file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1
  const visit = (node: ts.Node): void => {
    const line = lineOf(node)
    const found = importOf(node)
    if (found !== null) imports.push({ ...found, line })
    const used = useOf(node)
    if (used !== null) uses.push({ what: used, line })
    ts.forEachChild(node, visit)
  }
  visit(file)
  const hasValues = file.statements.some((statement) => !isType(statement))
  return { imports, uses, hasValues, lines: source.replace(/\n$/, '').split('\n').length }
}

function isType(statement: ts.Statement): boolean {
  return (
    ts.isImportDeclaration(statement) ||
    ts.isInterfaceDeclaration(statement) ||
    ts.isTypeAliasDeclaration(statement) ||
    ts.isModuleDeclaration(statement) ||
    (ts.isExportDeclaration(statement) && statement.isTypeOnly)
  )
}

function importOf(node: ts.Node): Omit<SourceImport, 'line'> | null {
  if (ts.isImportDeclaration(node)) {
    // `import { type A }` stays as a bare import under verbatimModuleSyntax: only `import type` is erased.
    const typesOnly = node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword
    return textOf(node.moduleSpecifier, typesOnly ? 'types' : 'static')
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
    return textOf(node.moduleSpecifier, node.isTypeOnly ? 'types' : 'static')
  }
  if (ts.isImportEqualsDeclaration(node) && ts.isExternalModuleReference(node.moduleReference)) {
    return textOf(node.moduleReference.expression, node.isTypeOnly ? 'types' : 'static')
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
    return textOf(node.argument.literal, 'types')
  }
  if (ts.isCallExpression(node) && node.arguments[0] !== undefined) {
    if (node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      return textOf(node.arguments[0], 'dynamic')
    }
    if (ts.isIdentifier(node.expression) && node.expression.text === 'require') {
      return textOf(node.arguments[0], 'dynamic')
    }
  }
  return null
}

function textOf(node: ts.Node, kind: ImportKind): Omit<SourceImport, 'line'> | null {
  return ts.isStringLiteralLike(node) ? { specifier: node.text, kind } : null
}

function useOf(node: ts.Node): SourceUse['what'] | null {
  if (node.kind === ts.SyntaxKind.AnyKeyword) return 'any'
  if (ts.isEnumDeclaration(node)) return 'enum'
  if (readsEnvironment(node)) return 'process.env'
  if (ts.isExportAssignment(node)) return 'default export'
  if (ts.isExportSpecifier(node) && node.name.text === 'default') return 'default export'
  const modifiers = ts.canHaveModifiers(node) ? ts.getModifiers(node) : undefined
  const isDefault = modifiers?.some((modifier) => modifier.kind === ts.SyntaxKind.DefaultKeyword)
  return isDefault === true ? 'default export' : null
}

function readsEnvironment(node: ts.Node): boolean {
  if (ts.isPropertyAccessExpression(node)) {
    return isProcess(node.expression) && node.name.text === 'env'
  }
  if (ts.isElementAccessExpression(node)) {
    const key = node.argumentExpression
    return isProcess(node.expression) && ts.isStringLiteralLike(key) && key.text === 'env'
  }
  if (ts.isVariableDeclaration(node) && ts.isObjectBindingPattern(node.name)) {
    const takesEnv = node.name.elements.some((element) => nameOf(element) === 'env')
    return takesEnv && node.initializer !== undefined && isProcess(node.initializer)
  }
  if (ts.isImportSpecifier(node)) {
    const module = node.parent.parent.parent.moduleSpecifier
    const fromProcess = ts.isStringLiteralLike(module) && /^(node:)?process$/.test(module.text)
    return fromProcess && (node.propertyName ?? node.name).text === 'env'
  }
  return false
}

function nameOf(element: ts.BindingElement): string | null {
  const name = element.propertyName ?? element.name
  return ts.isIdentifier(name) ? name.text : null
}

function isProcess(node: ts.Expression): boolean {
  if (ts.isIdentifier(node)) return node.text === 'process'
  return ts.isPropertyAccessExpression(node) && node.getText() === 'globalThis.process'
}
