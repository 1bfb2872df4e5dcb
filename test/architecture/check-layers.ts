import { builtinModules } from 'node:module'
import { dirname, join } from 'node:path/posix'
import { AREA_RULES, PACKAGE_HOMES, type Reach } from './layer-rules.ts'
import type { SourceFacts, SourceImport, TreeFacts } from './source-facts.ts'

/** More lines than this and a file does more than one thing. */
export const MAX_LINES = 300

/** The area of the tree that a path belongs to: the innermost that has rules; null where no layer rule holds. */
export function areaOf(path: string): string | null {
  if (path.startsWith('cdk/')) return 'cdk'
  const place = /^(?:functions|shared)\/(.+)$/.exec(path)?.[1]
  if (place === undefined) return null
  const folders = place.split('/').slice(0, -1)
  for (let depth = folders.length; depth > 0; depth--) {
    const area = folders.slice(0, depth).join('/')
    if (AREA_RULES[area] !== undefined) return area
  }
  return folders[0] ?? place
}

/** Every broken rule of a tree, one sentence each: file, import, and the allowed way. */
export function checkTree(facts: TreeFacts): string[] {
  const found: string[] = []
  for (const [path, file] of facts)
    found.push(...checkImports(path, file), ...checkUses(path, file))
  found.push(...checkServingClosure(facts))
  return found
}

function checkImports(path: string, file: SourceFacts): string[] {
  const area = areaOf(path)
  if (area === null) return []
  const rule = AREA_RULES[area]
  if (rule === undefined) {
    return [`${path}: ${area} is no area of the tree; see AREA_RULES in test/architecture`]
  }
  return file.imports.flatMap((entry) => {
    const problem = entry.specifier.startsWith('.')
      ? checkOwnImport(path, area, entry)
      : checkPackage(path, area, entry)
    return problem === null ? [] : [`${path}:${entry.line} ${problem}`]
  })
}

function checkOwnImport(path: string, area: string, entry: SourceImport): string | null {
  const target = join(dirname(path), entry.specifier)
  if (!/\.(ts|json)$/.test(target)) return `imports ${target}: name the file, ending in .ts`
  // The product's own name and version.
  if (target === 'package.json') return null
  const targetArea = areaOf(target)
  const rule = AREA_RULES[area]
  if (targetArea === area || rule === undefined) return null
  const reach = targetArea === null ? undefined : rule.imports[targetArea]
  if (reach !== undefined && reaches(reach, entry)) return null
  const how = reach === undefined ? '' : ` as ${HOW[entry.kind]}, allowed is ${HOW[reach]}`
  return `imports ${target}${how}: ${rule.instead} (${area} may import ${listed(rule.imports)})`
}

const HOW = {
  types: '`import type`',
  static: 'a value',
  value: 'a value',
  dynamic: 'a dynamic import',
} as const

function reaches(reach: Reach, entry: SourceImport): boolean {
  if (reach === 'value' || entry.kind === 'types') return true
  return reach === 'dynamic' && entry.kind === 'dynamic'
}

function listed(imports: Readonly<Record<string, Reach>>): string {
  const names = Object.entries(imports).map(([name, reach]) =>
    reach === 'value' ? name : `${name} (${reach})`,
  )
  return names.length === 0 ? 'nothing of ours' : names.join(', ')
}

function checkPackage(path: string, area: string, entry: SourceImport): string | null {
  const { specifier } = entry
  const rule = AREA_RULES[area]
  if (rule === undefined) return null
  if (specifier.startsWith('node:') || builtinModules.includes(specifier)) {
    return rule.builtins ? null : `imports ${specifier}: ${rule.instead}`
  }
  for (const { name, homes, instead } of PACKAGE_HOMES) {
    const isHome = homes.some((home) => path.startsWith(`${home}/`))
    if (name.test(specifier) && !isHome) return `imports ${specifier}: ${instead}`
  }
  const name = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
  if (rule.packages === 'any' || rule.packages.includes(name)) return null
  const allowed = rule.packages.length === 0 ? 'no package' : rule.packages.join(', ')
  return `imports ${specifier}: ${rule.instead} (${area} may use ${allowed})`
}

function checkUses(path: string, file: SourceFacts): string[] {
  const ours = /^(functions|shared|cdk)\//.test(path)
  const found = file.uses.flatMap(({ what, line }) => {
    const instead = houseRule(path, what, ours)
    return instead === null ? [] : [`${path}:${line} has ${what}: ${instead}`]
  })
  if (/^(functions|shared)\//.test(path) && file.lines > MAX_LINES) {
    found.push(`${path} has ${file.lines} lines: split it by purpose, the limit is ${MAX_LINES}`)
  }
  return found
}

function houseRule(path: string, what: string, ours: boolean): string | null {
  if (what === 'process.env') {
    if (!ours || path === 'functions/boot/boot.ts' || path === 'cdk/app.ts') return null
    return 'functions/boot/boot.ts reads the environment once; take the value as an argument'
  }
  if (what === 'default export') {
    return /\.config\.ts$/.test(path) ? null : 'export by name'
  }
  if (what === 'enum') return 'use a union of literals, or `as const`'
  return 'write the type, or `unknown` and narrow it'
}

/** Serving must not load training code: follows static imports from the server's entry point. */
function checkServingClosure(facts: TreeFacts): string[] {
  const entry = 'functions/api/server.ts'
  const cameFrom = new Map<string, string>()
  const waiting = facts.has(entry) ? [entry] : []
  const found: string[] = []
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    for (const { specifier, kind } of facts.get(path)?.imports ?? []) {
      if (kind !== 'static' || !specifier.startsWith('.')) continue
      const target = join(dirname(path), specifier)
      if (cameFrom.has(target) || target === entry) continue
      cameFrom.set(target, path)
      if (/^shared\/(training|finetune)\//.test(target)) {
        found.push(
          `${entry} loads ${target} at start (${trail(cameFrom, target)}): ` +
            'import it dynamically inside shared/jobs',
        )
      } else waiting.push(target)
    }
  }
  return found
}

function trail(cameFrom: ReadonlyMap<string, string>, target: string): string {
  const steps = [target]
  for (let step = cameFrom.get(target); step !== undefined; step = cameFrom.get(step)) {
    steps.unshift(step)
  }
  return steps.join(' → ')
}
