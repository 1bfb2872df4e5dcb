import { dirname, join } from 'node:path/posix'
import {
  MAX_FILES_A_FOLDER,
  MIN_IMPORTERS,
  MIN_LINES,
  SMALL_BY_CHOICE,
  SMALL_BY_KIND,
} from './shape-rules.ts'
import type { SourceFacts, TreeFacts } from './source-facts.ts'

/** Every folder that is too full, file that is too small, and circle of imports in functions and shared. */
export function checkShape(facts: TreeFacts): string[] {
  const ours = [...facts.keys()].filter((path) => /^(?:functions|shared)\//.test(path))
  return [
    ...checkFolders(ours),
    ...checkSizes(ours, facts),
    ...findCircles(ours, facts).map(describeCircle),
  ]
}

function checkFolders(paths: readonly string[]): string[] {
  const files = new Map<string, number>()
  for (const path of paths) files.set(dirname(path), (files.get(dirname(path)) ?? 0) + 1)
  return [...files].flatMap(([folder, count]) =>
    count <= MAX_FILES_A_FOLDER
      ? []
      : [`${folder} has ${count} files: give it rooms, the limit is ${MAX_FILES_A_FOLDER}`],
  )
}

function checkSizes(paths: readonly string[], facts: TreeFacts): string[] {
  const importers = countImporters(facts)
  return paths.flatMap((path) => {
    const { lines, hasValues } = facts.get(path) as SourceFacts
    const count = importers.get(path) ?? 0
    if (count >= MIN_IMPORTERS || isSmallByRight(path)) return []
    if (lines < MIN_LINES) {
      return [`${path} has ${lines} lines and ${count} importers: move it into the file it serves`]
    }
    if (hasValues || path.endsWith('/types.ts')) return []
    return [`${path} has types alone and ${count} importers: move them to where they are used`]
  })
}

function isSmallByRight(path: string): boolean {
  return SMALL_BY_CHOICE[path] !== undefined || SMALL_BY_KIND.some((kind) => kind.test(path))
}

/** Files of the product and its scripts that import a file; tests do not count. */
function countImporters(facts: TreeFacts): Map<string, number> {
  const importers = new Map<string, number>()
  for (const [path, file] of facts) {
    if (path.startsWith('test/')) continue
    for (const target of targetsOf(path, file.imports)) {
      importers.set(target, (importers.get(target) ?? 0) + 1)
    }
  }
  return importers
}

function targetsOf(path: string, imports: SourceFacts['imports']): Set<string> {
  const own = imports.filter(({ specifier }) => specifier.startsWith('.'))
  return new Set(own.map(({ specifier }) => join(dirname(path), specifier)))
}

/** Groups of files that import each other at load time, types included (Tarjan's strongly connected components). */
function findCircles(paths: readonly string[], facts: TreeFacts): string[][] {
  const order = new Map<string, number>()
  const low = new Map<string, number>()
  const stack: string[] = []
  const circles: string[][] = []
  const visit = (path: string): void => {
    order.set(path, order.size)
    low.set(path, order.get(path) as number)
    stack.push(path)
    const loaded = facts.get(path)?.imports.filter(({ kind }) => kind !== 'dynamic') ?? []
    for (const target of targetsOf(path, loaded)) {
      if (!facts.has(target)) continue
      if (!order.has(target)) visit(target)
      if (stack.includes(target)) {
        low.set(path, Math.min(low.get(path) as number, low.get(target) as number))
      }
    }
    if (low.get(path) !== order.get(path)) return
    const group = stack.splice(stack.indexOf(path))
    if (group.length > 1) circles.push(group)
  }
  for (const path of paths) if (!order.has(path)) visit(path)
  return circles
}

function describeCircle(files: readonly string[]): string {
  return `${files.join(' and ')} import each other: move what both need into one of them`
}
