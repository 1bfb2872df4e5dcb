import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { checkTree, MAX_LINES } from './check-layers.ts'
import { checkShape } from './check-shape.ts'
import { MAX_FILES_A_FOLDER, MIN_LINES, SMALL_BY_CHOICE } from './shape-rules.ts'
import { readSourceFacts, readTreeFacts, type SourceTree } from './source-facts.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

function readProject(): SourceTree {
  const tree = new Map<string, string>()
  for (const top of ['functions', 'shared', 'cdk', 'infra', 'test']) {
    for (const path of listSources(top)) tree.set(path, readFileSync(`${root}${path}`, 'utf8'))
  }
  return tree
}

function listSources(folder: string): string[] {
  let entries: string[]
  try {
    entries = readdirSync(`${root}${folder}`, { recursive: true, encoding: 'utf8' })
  } catch {
    return []
  }
  return entries
    .map((entry) => `${folder}/${entry.replaceAll('\\', '/')}`)
    .filter((path) => /\.m?ts$/.test(path) && !/(?:node_modules|cdk\.out)\//.test(path))
}

/** Violations of a tree of one file. */
function check(path: string, source: string): string[] {
  return checkTree(readTreeFacts(new Map([[path, source]])))
}

describe('the project', () => {
  const facts = readTreeFacts(readProject())

  it('keeps its layers and house rules', () => {
    expect(facts.has('shared/lib/errors.ts')).toBe(true)
    expect(checkTree(facts)).toEqual([])
  })

  it('has no full folders, splinters or circles', () => {
    expect(checkShape(facts)).toEqual([])
    expect(Object.keys(SMALL_BY_CHOICE).filter((path) => !facts.has(path))).toEqual([])
  })
})

describe('layer rules', () => {
  it.each([
    ['shared/lib/a.ts', `import { b } from '../head/b.ts'`, 'shared/head/b.ts'],
    ['shared/head/a.ts', `import type { B } from '../runtime/b.ts'`, 'shared/runtime/b.ts'],
    ['shared/head/a.ts', `export * from '../training/b.ts'`, 'shared/training/b.ts'],
    ['shared/runtime/a.ts', `export { b } from '../encoder/b.ts'`, 'shared/encoder/b.ts'],
    ['shared/encoder/a.ts', `const b = await import('../serving/b.ts')`, 'shared/serving/b.ts'],
    ['shared/encoder/a.ts', `type B = import('../registry/b.ts').B`, 'shared/registry/b.ts'],
    ['shared/serving/a.ts', `import { b } from '../../functions/boot/b.ts'`, 'functions/boot/b.ts'],
    ['shared/serving/a.ts', `import { b } from '../runtime/b.ts'`, 'shared/runtime/b.ts'],
    [
      'shared/serving/live/a.ts',
      `import { b } from '../../jobs/rows/b.ts'`,
      'shared/jobs/rows/b.ts',
    ],
    ['shared/jobs/train/a.ts', `import { b } from '../../serving/b.ts'`, 'shared/serving/b.ts'],
    ['shared/registry/records/a.ts', `import { b } from '../b.ts'`, 'shared/registry/b.ts'],
    ['shared/lib/a.ts', `import { b } from '../../test/b.ts'`, 'test/b.ts'],
    ['shared/exporter/a.ts', `import { b } from '../encoder/b.ts'`, 'shared/encoder/b.ts'],
    ['shared/contract/a.ts', `import { b } from '../lib/b.ts'`, 'shared/lib/b.ts'],
    [
      'functions/api/routes/a.ts',
      `import { b } from '../../../shared/encoder/b.ts'`,
      'encoder/b.ts',
    ],
    [
      'functions/api/requests/a.ts',
      `import { b } from '../responses/b.ts'`,
      'functions/api/responses/b.ts',
    ],
    ['functions/cli/a.ts', `import { b } from '../../shared/runtime/b.ts'`, 'shared/runtime/b.ts'],
    ['cdk/a.ts', `import { b } from '../shared/serving/b.ts'`, 'shared/serving/b.ts'],
  ])('%s: refuses %s', (path, source, target) => {
    const [message, ...more] = check(path, source)
    expect(more).toEqual([])
    expect(message).toContain(`${path}:1 imports`)
    expect(message).toContain(target)
    expect(message).toContain('may import')
  })

  it.each([
    ['shared/client/a.ts', `import type { B } from '../contract/b.ts'`],
    ['shared/encoder/a.ts', `import { b } from '../runtime/b.ts'`],
    ['shared/runtime/a.ts', `import { b } from '../onnx/b.ts'`],
    ['shared/training/a.ts', `import type { Row } from '../dataset/b.ts'`],
    ['shared/jobs/train/train-head.ts', `const t = await import('../../training/fit.ts')`],
    ['shared/jobs/train/train-head.ts', `import type { Fit } from '../../training/fit.ts'`],
    ['functions/api/requests/a.ts', `import type { B } from '../../../shared/serving/b.ts'`],
    ['functions/api/routes/a.ts', `import { b } from '../responses/b.ts'`],
    ['functions/cli/commands/a.ts', `import type { B } from '../../../shared/training/b.ts'`],
    ['functions/boot/boot.ts', `import { b } from '../../shared/runtime/b.ts'`],
  ])('%s: allows %s', (path, source) => {
    expect(check(path, source)).toEqual([])
  })

  it.each([
    ['shared/client/a.ts', `import { b } from '../contract/b.ts'`],
    ['shared/client/a.ts', `import { type B } from '../contract/b.ts'`],
    ['shared/training/a.ts', `import { b } from '../dataset/b.ts'`],
    ['shared/jobs/train/train-head.ts', `import { fit } from '../../training/fit.ts'`],
    ['functions/cli/commands/a.ts', `const t = await import('../../../shared/training/b.ts')`],
  ])('%s: says how %s is allowed', (path, source) => {
    expect(check(path, source)[0]).toMatch(/ as .*, allowed is /)
  })

  it('names an unknown area', () => {
    expect(check('shared/misc/a.ts', '')[0]).toContain('misc is no area of the tree')
  })
})

describe('package rules', () => {
  it.each([
    ['shared/serving/a.ts', 'hono', 'functions/api'],
    ['functions/cli/a.ts', '@hono/node-server', 'functions/api'],
    ['functions/api/a.ts', '@aws-sdk/client-s3', 'BlobStore'],
    ['shared/registry/stores/directory/a.ts', '@aws-sdk/client-s3', 'BlobStore'],
    ['shared/encoder/a.ts', 'onnxruntime-node', 'shared/runtime'],
    ['shared/contract/a.ts', '@hono/zod-openapi', 'functions/api'],
    ['shared/contract/a.ts', 'node:fs', 'zod alone'],
    ['shared/lib/a.ts', 'pino', 'lib may use zod'],
    ['shared/dataset/a.ts', 'hyparquet', 'readers of formats'],
  ])('%s may not import %s', (path, name, hint) => {
    for (const source of [`import x from '${name}'`, `const x = await import('${name}')`]) {
      const [message] = check(path, source)
      expect(message).toContain(`imports ${name}`)
      expect(message).toContain(hint)
    }
  })

  it.each([
    ['functions/api/app.ts', 'hono/cors'],
    ['shared/registry/stores/s3/store.ts', '@aws-sdk/client-s3'],
    ['shared/runtime/session.ts', 'onnxruntime-node'],
    ['shared/dataset/formats/csv.ts', 'csv-parse/sync'],
  ])('%s may import %s', (path, name) => {
    expect(check(path, `import x from '${name}'`)).toEqual([])
  })
})

describe('house rules', () => {
  it.each([
    ['const a = process.env.PORT', 'process.env'],
    [`const a = process['env']`, 'process.env'],
    ['const { env } = process', 'process.env'],
    [`import { env } from 'node:process'`, 'process.env'],
    ['export default function f() {}', 'default export'],
    ['export default 1', 'default export'],
    ['const a = 1\nexport { a as default }', 'default export'],
    ['export function f(a: any) {}', 'any'],
    ['enum A { B }', 'enum'],
  ])('finds %s', (source, what) => {
    expect(check('shared/lib/a.ts', source)[0]).toContain(`has ${what}: `)
  })

  it('lets boot read the environment and config files export a default', () => {
    expect(check('functions/boot/boot.ts', 'export const e = process.env')).toEqual([])
    expect(check('cdk/x.config.ts', 'export default {}')).toEqual([])
  })

  it('is not fooled by comments, strings or names', () => {
    const source = `// process.env, any, enum\nconst s = "import x from 'hono'"\nconst any = { env: s }\nexport const e = any.env\n`
    expect(check('shared/lib/a.ts', source)).toEqual([])
  })

  it('counts lines', () => {
    const lines = (count: number) => 'const a = 1\n'.repeat(count)
    expect(check('shared/lib/a.ts', lines(MAX_LINES))).toEqual([])
    expect(check('shared/lib/a.ts', lines(MAX_LINES + 1))[0]).toContain('split it by purpose')
  })
})

describe('shape rules', () => {
  const long = 'export const a = 1\n'.repeat(MIN_LINES)
  const shape = (files: Record<string, string>) =>
    checkShape(readTreeFacts(new Map(Object.entries(files))))

  it('counts the files of a folder, not those of its rooms', () => {
    const fill = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`shared/head/${i}.ts`, long]))
    expect(shape({ ...fill(MAX_FILES_A_FOLDER), 'shared/head/room/a.ts': long })).toEqual([])
    expect(shape(fill(MAX_FILES_A_FOLDER + 1))[0]).toContain('shared/head has 26 files')
  })

  it('finds a small file of fewer than three importers', () => {
    const small = { 'shared/head/a.ts': 'export const a = 1\n' }
    const importers = (folder: string) =>
      Object.fromEntries(
        ['b', 'c', 'd'].map((name) => [
          `${folder}/${name}.ts`,
          `import { a } from '${folder === 'test/x' ? '../../shared/head' : '.'}/a.ts'\n${long}`,
        ]),
      )
    expect(shape({ ...small, ...importers('shared/head') })).toEqual([])
    expect(shape({ ...small, ...importers('test/x') })[0]).toContain('has 1 lines and 0 importers')
    expect(shape({ 'functions/api/routes/a.ts': 'export const a = 1\n' })).toEqual([])
  })

  it('finds a file of types alone, but not the one of a room', () => {
    const types = 'export interface A {}\n'.repeat(MIN_LINES)
    expect(shape({ 'shared/head/a.ts': types })[0]).toContain('has types alone')
    expect(shape({ 'shared/head/types.ts': types })).toEqual([])
  })

  it('finds circles, types included, and no dynamic ones', () => {
    const pair = (back: string) => ({
      'shared/head/a.ts': `import { b } from './b.ts'\n${long}`,
      'shared/head/b.ts': `${back}\n${long}`,
    })
    const [message] = shape(pair(`import type { A } from './a.ts'`))
    expect(message).toContain('shared/head/a.ts and shared/head/b.ts import each other')
    expect(shape(pair(`const a = await import('./a.ts')`))).toEqual([])
  })
})

describe('the serving closure', () => {
  const tree = (trainHead: string) =>
    readTreeFacts(
      new Map([
        ['functions/api/server.ts', `import { boot } from '../boot/boot.ts'`],
        [
          'functions/boot/boot.ts',
          `import { trainHead } from '../../shared/jobs/train/train-head.ts'`,
        ],
        ['shared/jobs/train/train-head.ts', trainHead],
        ['shared/training/fit.ts', 'export const fit = 1'],
      ]),
    )

  it('refuses a static path to training and shows it', () => {
    const found = checkTree(tree(`import { fit } from '../../training/fit.ts'`))
    expect(found.at(-1)).toContain(
      'functions/api/server.ts → functions/boot/boot.ts → shared/jobs/train/train-head.ts → shared/training/fit.ts',
    )
  })

  it('allows types and dynamic imports', () => {
    for (const allowed of [
      `import type { Fit } from '../../training/fit.ts'`,
      `const f = await import('../../training/fit.ts')`,
    ]) {
      expect(checkTree(tree(allowed)).filter((found) => found.includes('loads'))).toEqual([])
    }
  })
})

describe('readSourceFacts', () => {
  it('tells kinds and lines apart', () => {
    const source = [
      `import type { A } from './a.ts'`,
      `import './b.ts'`,
      `export type { C } from './c.ts'`,
      'const d = await import(`./d.ts`)',
      'const e = await import(d)',
    ].join('\n')
    expect(readSourceFacts(source).imports).toEqual([
      { specifier: './a.ts', kind: 'types', line: 1 },
      { specifier: './b.ts', kind: 'static', line: 2 },
      { specifier: './c.ts', kind: 'types', line: 3 },
      { specifier: './d.ts', kind: 'dynamic', line: 4 },
    ])
  })
})
