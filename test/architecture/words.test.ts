import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { findInMessages, findInPage, readGlossary, type WordUse } from './glossary.ts'

const root = new URL('../../', import.meta.url)

/** Pages that may name old words: what they were is their subject. */
const ABOUT_WORDS: ReadonlySet<string> = new Set(['docs/glossary.md', 'CHANGELOG.md'])

/** Old words that are somebody's data, by file: a column of paths may be called `picture`. */
const NAMES: ReadonlySet<string> = new Set([
  'docs/cli.md: picture',
  'functions/cli/options/input.ts: picture',
])

const read = (path: string) => readFileSync(new URL(path, root), 'utf8')

function list(folder: string, extension: string): string[] {
  return readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' })
    .map((path) => `${folder}${path.replaceAll('\\', '/')}`)
    .filter((path) => path.endsWith(extension))
}

const glossary = readGlossary(read('docs/glossary.md'))

const describeUses = (path: string, uses: readonly WordUse[]) =>
  uses
    .filter(({ found }) => !NAMES.has(`${path}: ${found.toLowerCase()}`))
    .map(({ found, instead, line }) => `${path}:${line}: "${found}"; say ${instead}`)

describe('the glossary', () => {
  it('has every word once', () => {
    const words = glossary.map(({ word }) => word)
    expect(words.length).toBeGreaterThan(20)
    expect(new Set(words).size).toBe(words.length)
  })

  it('forbids no word that it uses itself', () => {
    const own = new Set(glossary.map(({ word }) => word))
    expect(glossary.flatMap(({ not }) => not).filter((word) => own.has(word))).toEqual([])
  })

  it('finds old words in prose, not in code', () => {
    const uses = findInPage('Pictures\n`picture` [x](picture.md)\n```\na picture\n```', glossary)
    expect(describeUses('page', uses)).toEqual(['page:1: "Pictures"; say image'])
  })

  it('finds old words in messages, not in names', () => {
    const uses = findInMessages('const picture = "picture"\nfail(`no picture here`)', glossary)
    expect(describeUses('file', uses)).toEqual(['file:2: "picture"; say image'])
  })
})

describe('old words', () => {
  const pages = [
    ...readdirSync(root).filter((name) => name.endsWith('.md')),
    ...list('docs/', '.md'),
  ].filter((page) => !ABOUT_WORDS.has(page))

  it.each(pages)('are not in %s', (page) => {
    expect(describeUses(page, findInPage(read(page), glossary))).toEqual([])
  })

  it('are not in messages', () => {
    const uses = [...list('functions/', '.ts'), ...list('shared/', '.ts')].flatMap((path) =>
      describeUses(path, findInMessages(read(path), glossary)),
    )
    expect(uses).toEqual([])
  })
})
