import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createFakeBoot } from '../../fakes/fake-boot.ts'
import { checkXml } from '../reports/check-xml.ts'
import { runCommand } from './run.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-audit-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const path = (name: string): string => join(folder, name)

async function audit(name: string, content: string, ...options: string[]) {
  await writeFile(path(name), content)
  const boot = createFakeBoot({ encoder: { dimension: 32 }, cacheFolder: path('cache') })
  const run = await runCommand(['audit', path(name), ...options], { boot })
  return { ...run, opened: boot.opened, openEncoders: boot.openEncoders() }
}

/** Forty texts of two labels, one of them again with the other label and one again with its own. */
const rows = Array.from({ length: 40 }, (_, i) => `word ${i},${i % 2 === 0 ? 'even' : 'odd'}`)
const odd = ['text,label', ...rows, 'word 0,odd', 'word 1,odd', 'rare word,rare', ''].join('\n')

describe('audit', () => {
  it('finds conflicts and copies, and says so in some lines', async () => {
    const run = await audit('odd.csv', odd, '-q')
    expect(run).toMatchObject({ code: 0, stderr: '', openEncoders: 0 })
    const lines = run.stdout.trimEnd().split('\n')
    expect(lines[0]).toMatch(/^43 rows, 3 labels; cross-validation gives \d+\.\d % of 42 rows/)
    expect(lines).toContain('conflicts: 1, nearly the same row with another label')
    expect(lines).toContain('  line 42: odd, but line 2: even')
    expect(lines).toContain('copies: 1, nearly the same row with the same label')
    expect(lines).toContain('labels of fewer than 8 rows: 1 (rare 1)')
    expect(lines).toContain('uneven: odd has 22 rows, rare 1')
    expect(lines.length).toBeLessThanOrEqual(20)
    expect(run.stdout).not.toContain('word')
  })

  it('writes all findings as CSV with the nearest rows, and texts where they may be quoted', async () => {
    const output = path('suspects.csv')
    const quiet = ['-q', '--output', output]
    expect(await audit('odd.csv', odd, ...quiet)).toMatchObject({ code: 0 })
    const plain = await readFile(output, 'utf8')
    expect(plain).toMatch(/^line,kind,label,suggestion,score,nearest\r\n/)
    expect(plain).toMatch(/\r\n42,conflict,odd,even,1\.0000,2( \d+){4,5}\r\n/)
    expect(plain).toMatch(/\r\n43,copy,odd,,1\.0000,3( \d+){4,5}\r\n/)
    expect(plain).not.toContain('word')
    expect(await audit('odd.csv', odd, ...quiet, '--quote-texts')).toMatchObject({ code: 0 })
    expect(await readFile(output, 'utf8')).toMatch(/nearest,text\r\n(.*\r\n)*42,.*,word 0\r\n/)
  })

  it('prints JSON', async () => {
    const run = await audit('odd.csv', odd, '-q', '--json')
    const result = JSON.parse(run.stdout)
    expect(result).toMatchObject({
      rows: 43,
      noise: 0,
      smallest: { label: 'rare', count: 1 },
      dataset: { labelColumn: 'label' },
    })
    expect(result.found).toContainEqual(
      expect.objectContaining({ place: 'line 42', kind: 'conflict', suggestion: 'even' }),
    )
    expect(run.stdout).not.toContain('word')
  })

  it('takes for near-duplicates what splits take for them', async () => {
    // Marks and case are nothing, whatever the vectors say; a common word is not enough.
    const more = ['"WORD... 2!",even', '"Word, 3?",even', 'word 4 0,even']
    const near = ['text,label', ...rows, ...more, ''].join('\n')
    const run = await audit('near.csv', near, '-q', '--json')
    const found = JSON.parse(run.stdout).found as { place: string; kind: string }[]
    const pairs = found.filter(({ kind }) => kind === 'copy' || kind === 'conflict')
    expect(pairs).toMatchObject([
      { place: 'line 43', kind: 'conflict', suggestion: 'odd', score: 1 },
      { place: 'line 42', kind: 'copy', score: 1 },
    ])
    expect(pairs).toMatchObject([
      { nearest: expect.arrayContaining(['line 5']) },
      { nearest: expect.arrayContaining(['line 4']) },
    ])
    const ask = ['train', path('near.csv'), '--name', 'near', '--dry-run', '-q', '--json']
    const boot = createFakeBoot({ encoder: { dimension: 32 }, cacheFolder: path('cache') })
    const warned = JSON.parse((await runCommand(ask, { boot })).stdout).warnings
    expect(warned).toContainEqual(
      expect.objectContaining({
        code: 'near_duplicates',
        count: 4,
        examples: ['line 4 = line 42', 'line 5 = line 43'],
      }),
    )
  })

  it('counts every copy of many, though no group of a split may be so large', async () => {
    const many = Array.from({ length: 60 }, (_, i) => `Hello${'!'.repeat(i)},${i < 55 ? 'x' : 'y'}`)
    const content = ['text,label', ...rows, ...many, ''].join('\n')
    const run = await audit('many.csv', content, '-q')
    expect(run.stdout).toContain('copies: 54, nearly the same row with the same label')
    expect(run.stdout).toContain('conflicts: 5, nearly the same row with another label')
  })

  it('audits rows of several labels', async () => {
    const several = rows.map((row, i) => (i % 3 === 0 ? `${row};third` : row))
    const content = ['text,label', ...several, '"Word 0!",odd', ''].join('\n')
    const output = path('several-found.csv')
    const ask = ['-q', '--label-separator', ';', '--output', output]
    const run = await audit('several.csv', content, ...ask)
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toMatch(/^41 rows, 3 labels; .* of 41 rows all their labels\n/)
    expect(run.stdout).toContain('  line 42: odd, but line 2: even;third')
    expect(await readFile(output, 'utf8')).toMatch(/\r\n42,conflict,odd,even;third,1\.0000,2 /)
  })

  it('passes below the share of wrong labels that fails', async () => {
    expect(await audit('odd.csv', odd, '-q', '--fail-above', '1')).toMatchObject({ code: 0 })
  })
})

describe('the page of an audit', () => {
  const evil = '</td><script>alert(1)</script>'

  it('shows figures, findings and counts, and escapes what the data hold', async () => {
    const labelled = [`"word 0 ${evil}",even`, `"WORD 0, ${evil}",<b>odd</b>`, '"word 3!",odd']
    const content = ['text,label', ...rows, ...labelled, ''].join('\n')
    const run = await audit('page.csv', content, '-q', '--html', path('page.html'))
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toMatch(/^43 rows, 3 labels/)
    const page = await readFile(path('page.html'), 'utf8')
    checkXml(page)
    expect(page).not.toContain('<script')
    expect(page).not.toContain('<b>')
    expect(page).not.toContain('alert(1)')
    expect(page).toContain('default-src &#39;none&#39;')
    expect(page).toContain('@media print')
    for (const title of [
      'Near-duplicates with another label',
      'Near-duplicates with the same label',
      'Rows of each label',
    ]) {
      expect(page).toContain(`<h2>${title}</h2>`)
    }
    expect(page).toContain('&lt;b&gt;odd&lt;/b&gt;')
    expect(page).toContain('<td>line 44</td>')

    const quoted = await audit('page.csv', content, '-q', '--quote-texts', '--html', '-')
    checkXml(quoted.stdout.trimEnd())
    expect(quoted.stdout).toContain('&lt;script&gt;alert(1)')
    expect(quoted.stdout).not.toContain('<script')
    expect(quoted.stdout).toMatch(/^<!doctype html>/)
  })

  it('is bounded, and says what it leaves out', async () => {
    const long = 'x'.repeat(5000)
    const many = Array.from({ length: 400 }, (_, i) => `"${long} ${'!'.repeat(i)}",even`)
    const content = ['text,label', ...rows, ...many, ''].join('\n')
    const { stdout } = await audit('long.csv', content, '-q', '--quote-texts', '--html', '-')
    checkXml(stdout.trimEnd())
    expect(stdout).toContain('The first 100 of 399.')
    expect(stdout.length).toBeLessThan(100_000)
  })

  it('is a failure where it cannot be written', async () => {
    const run = await audit('odd.csv', odd, '-q', '--html', path('odd.csv/page.html'))
    expect(run.code).not.toBe(0)
    expect(run.stderr).toMatch(/^espalier: [^\n]*odd\.csv[^\n]*\n$/)
  })
})

describe('bad input', () => {
  it.each([
    ['one.csv', 'text,label\na,X\nb,X\n', /every row has the label "X"; two classes are needed$/],
    ['none.csv', 'text,label\n', /no rows$/],
  ])('%s is refused in one line before the encoder opens', async (name, content, message) => {
    const run = await audit(name, content, '-q')
    expect(run).toMatchObject({ code: 1, stdout: '', opened: [] })
    expect(run.stderr).toMatch(/^espalier: [^\n]*\n$/)
    expect(run.stderr.trimEnd()).toMatch(message)
  })

  it('takes three rows', async () => {
    const run = await audit('three.csv', 'text,label\na,X\nb,X\nc,Y\n', '-q')
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toContain('labels in doubt: 0')
  })

  it.each([['2'], ['-1'], ['much']])('--fail-above %s is wrong usage', async (share) => {
    expect(await audit('odd.csv', odd, '--fail-above', share)).toMatchObject({ code: 2 })
  })
})
