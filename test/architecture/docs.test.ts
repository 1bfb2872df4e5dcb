import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ERROR_STATUS } from '../../functions/api/responses/errors.ts'
import { renderCliReference } from '../../infra/cli-reference.ts'
import { fillCosts } from '../../infra/cost-tables.ts'
import { CONFIG_VARIABLES } from '../../shared/lib/config/config.ts'
import { ERROR_CODES } from '../../shared/lib/errors.ts'

const root = new URL('../../', import.meta.url)

function readPage(path: string): string {
  return readFileSync(new URL(path, root), 'utf8')
}

/** The cells of every table row that opens with a code word. */
function readRows(page: string): string[][] {
  return page
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
}

const dropCode = (page: string) => page.replace(/^```.*?^```/gms, '')

/** The anchors of a page's headings, as GitHub makes them. */
function findAnchors(page: string): Set<string> {
  const headings = dropCode(page).matchAll(/^#+ (.+)$/gm)
  return new Set(
    [...headings].map(([, title]) =>
      title!
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}

describe('docs/errors.md', () => {
  const rows = readRows(readPage('docs/errors.md'))

  it('lists every error code, and nothing else, in the order of the source', () => {
    expect(rows.map(([code]) => code)).toEqual(ERROR_CODES.map((code) => `\`${code}\``))
  })

  it.each(ERROR_CODES)('gives the statuses, the meaning and the fix of %s', (code) => {
    const [, status, tei, meaning, fix] = rows.find(([name]) => name === `\`${code}\``) ?? []
    const expected = ERROR_STATUS[code]
    expect(status).toBe(String(expected.status))
    expect(tei).toBe(expected.tei.join(' '))
    expect(meaning).toMatch(/^[A-Z].*\.$/)
    expect(fix).toMatch(/\.$/)
  })
})

describe('docs/configuration.md', () => {
  const rows = readRows(readPage('docs/configuration.md'))

  it('lists every variable with default, unit, meaning and what is allowed, and nothing else', () => {
    expect(rows).toEqual(
      CONFIG_VARIABLES.map(({ name, default: fallback, unit, doc, allowed }) => [
        `\`${name}\``,
        `\`${fallback}\``,
        unit,
        doc,
        allowed,
      ]),
    )
  })
})

describe('docs/cli.md', () => {
  it('says what the commands say; `npm run docs:cli` writes it', () => {
    expect(readPage('docs/cli.md')).toBe(renderCliReference())
  })
})

describe('docs/deploy.md', () => {
  it('has the costs that the prices give; `npm run docs:costs` writes them', () => {
    const page = readPage('docs/deploy.md')
    expect(page).toBe(fillCosts(page))
  })
})

describe('docs/README.md', () => {
  it('lists every page, and nothing that is not there', () => {
    const listed = [...readPage('docs/README.md').matchAll(/\]\(([^)#]+)\)/g)].map(([, to]) => to)
    const pages = readdirSync(new URL('docs/', root)).filter(
      (name) => name.endsWith('.md') && name !== 'README.md',
    )
    expect(listed.filter((to) => /^[\w-]+\.md$/.test(to!)).sort()).toEqual(pages.sort())
    expect(listed).toContain('decisions/README.md')
  })
})

describe('docs/decisions/README.md', () => {
  it('lists every record', () => {
    const index = readPage('docs/decisions/README.md')
    const records = readdirSync(new URL('docs/decisions/', root)).filter(
      (name) => name !== 'README.md',
    )
    expect(records.filter((name) => !index.includes(`](${name})`))).toEqual([])
  })
})

describe('every page', () => {
  const entries = readdirSync(root, { recursive: false, encoding: 'utf8' })
  const pages = [
    ...entries.filter((name) => name.endsWith('.md')),
    ...readdirSync(new URL('docs/', root), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md'))
      .map((name) => `docs/${name}`),
  ]

  it.each(pages)('%s links only to what exists', (page) => {
    const prose = dropCode(readPage(page))
    const links = [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, to]) => to!)
      .filter((to) => !/^[a-z]+:/.test(to))
    const broken = links.filter((to) => {
      const [path = '', anchor] = to.split('#')
      const own = new URL(page, root)
      const target = path === '' ? own : new URL(path, own)
      if (!existsSync(target)) return true
      return anchor !== undefined && !findAnchors(readFileSync(target, 'utf8')).has(anchor)
    })
    expect(broken).toEqual([])
  })

  it.each(pages)('%s names only files and folders that exist', (page) => {
    const named = readPage(page).match(
      /\b(?:shared|functions|infra|test)\/[\w.-]*\w(?:\/[\w.-]*\w)*/g,
    )
    expect([...new Set(named)].filter((path) => !existsSync(new URL(path, root)))).toEqual([])
  })

  it.each(pages)('%s names only settings that exist', (page) => {
    const known = new Set(CONFIG_VARIABLES.map(({ name }) => name))
    const named = readPage(page).match(/\bESPALIER_[A-Z_]*[A-Z]\b/g) ?? []
    expect([...new Set(named)].filter((name) => !known.has(name))).toEqual([])
  })
})
