import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { renderMarkdown } from '../../../shared/reports/render-markdown.ts'
import { sampleReport } from './sample-report.ts'

const labels = ['billing', 'delivery', 'returns']

describe('the Markdown report', () => {
  test('shows the numbers', () => {
    const text = renderMarkdown(sampleReport(labels))
    expect(text).toContain('# `intent`\n')
    expect(text).toMatch(/\| Accuracy +\| 99\.2 % \(98\.1 % to 100\.0 %\) +\|/)
    expect(text).toMatch(/\| Calibration error \(ECE\) +\| 1\.3 % +\|/)
    expect(text).toMatch(/\| `softmax\+knn` \(chosen\) \| +91\.8 % \| 0\.301 \|/)
    expect(text).toMatch(/\| `billing` +\| +100\.0 % \| +97\.5 % \| +98\.7 % \| +40 \|/)
    expect(text).toContain('- `billing` taken for `returns`: 1 of 40\n')
    expect(text).toContain('31.250, keeps 95.2 %')
    expect(text).toContain('**Better than the champion `intent@v3`')
    expect(text).toContain('```\nespalier train intents.csv --name intent --method auto\n```')
  })

  test('shows the 30 worst of many labels', () => {
    const many = Array.from({ length: 1000 }, (_, i) => `label_${i}`)
    const text = renderMarkdown(sampleReport(many))
    expect(text).toContain('## Labels, the 30 lowest of 1,000')
    expect(text.length).toBeLessThan(20_000)
  })

  test('says what the comparison with the champion comes to', () => {
    const champion = { model: 'intent@v3', accuracy: 0.9, macroF1: 0.9 }
    const say = (difference: number, low: number, high: number): string =>
      renderMarkdown(sampleReport(labels, { champion: { ...champion, difference, low, high } }))
    expect(say(-0.02, -0.03, -0.01)).toContain('Worse than the champion')
    expect(say(-0.02, -0.03, -0.01)).toContain('−2.0 points')
    expect(say(0.001, -0.01, 0.012)).toContain('No clear difference from the champion')
  })

  test('keeps user text inert and on its line', () => {
    const bad = '<b>x</b> | `y` [z](http://a)\n# *w* \u001b[31m'
    const report = sampleReport([bad, 'b'], {
      command: '```\n<script>',
      method: { name: 'a', why: bad },
    })
    const text = renderMarkdown({ ...report, name: bad })
    const prose = text.replace(/^````\n.*\n````$/m, '').replace(/`[^`\n]*`/g, '')
    expect(prose).not.toMatch(/(?<!\\)<[a-z/]/)
    expect(text).not.toContain('\u001b')
    expect(text).toContain('````\n``` <script>\n````')
    expect(text).toContain('\\<b\\>x\\</b\\> \\| \\`y\\` \\[z\\](http://a) \\# \\*w\\*')
  })

  test('every table keeps its columns, whatever the labels', () => {
    const label = fc.string({ unit: 'binary', maxLength: 30 })
    fc.assert(
      fc.property(fc.array(label, { minLength: 1, maxLength: 8 }), (names) => {
        const text = renderMarkdown(sampleReport(names, {}, 4))
        const table = /## Labels[^\n]*\n\n((?:\|.*\n?)+)/.exec(text)![1]!
        for (const line of table.trim().split('\n')) {
          expect(line.replace(/\\./g, '').split('|')).toHaveLength(7)
        }
      }),
      { numRuns: 100, seed: 6 },
    )
  })

  test('leaves out what there is not', () => {
    const text = renderMarkdown(
      sampleReport([], {
        test: null,
        champion: null,
        crossValidation: null,
        outOfDistribution: null,
        candidates: [],
        timings: [],
      }),
    )
    expect(text).toContain('No rows were held out')
    expect(text).not.toMatch(/NaN|Infinity|undefined|## Labels|## Candidates/)
  })
})
