import { describe, expect, test } from 'vitest'
import { renderHtml } from '../../../shared/reports/render-html.ts'
import { renderMarkdown } from '../../../shared/reports/render-markdown.ts'
import { toJsonValue } from '../../../shared/reports/to-json.ts'
import type { TrainingReport } from '../../../shared/reports/types.ts'
import { checkXml } from './check-xml.ts'
import { sampleReport } from './sample-report.ts'

const attack = `"><script>alert(1)</script>.jpg`
const mistakes = [
  { image: 'cat/1.jpg', actual: 'cat', predicted: 'dog', confidence: 0.987 },
  { image: attack, actual: 'dog', predicted: 'cat', confidence: 0.61 },
  { image: 'dog/3.png', actual: 'dog', predicted: 'cat', confidence: 0.55 },
]
const layers = [
  { name: 'pooled', dimension: 1280, accuracy: 0.91, nll: 0.3, logMe: 1.234, chosen: false },
  { name: attack, dimension: 192, accuracy: 0.93, nll: 0.2, logMe: 1.3, chosen: true },
]
const plain = sampleReport(['cat', 'dog'])
const report: TrainingReport = { ...plain, layers, test: { ...plain.test!, mistakes } }
const thumbnails = new Map([
  ['cat/1.jpg', 'data:image/webp;base64,UklGRg=='],
  ['dog/3.png', 'data:image/svg+xml;base64,PHN2Zz4='],
])

describe('a report of images', () => {
  const page = renderHtml(report, thumbnails)

  test('shows the worst errors, small WebP images alone, and allows no more', () => {
    checkXml(page)
    expect(page.match(/<img /g)).toHaveLength(1)
    expect(page).toContain('<img src="data:image/webp;base64,UklGRg==" alt="An image of cat"/>')
    expect(page).toContain('img-src data:; base-uri')
    expect(page).toContain('98.7 % sure')
    expect(page).not.toContain('<script>')
    expect(page.indexOf('cat/1.jpg')).toBeLessThan(page.indexOf('dog/3.png'))
  })

  test('compares the layers in every form', () => {
    expect(page).toContain('Cross-validated accuracy by transfer layer')
    expect(page).toContain('93.0 % · LogME 1.3')
    const markdown = renderMarkdown(report)
    expect(markdown).toContain('## Transfer layers')
    expect(markdown).toMatch(/\| pooled +\| +1,280 \| +91\.0 % \|/)
    expect(markdown).toContain('`cat/1.jpg`: `cat` taken for `dog`, 98.7 % sure')
    expect(toJsonValue(report)).toMatchObject({ layers, test: { mistakes } })
  })
})

test('a report without images allows none', () => {
  expect(renderHtml(plain)).not.toContain('img-src')
  expect(Object.keys(toJsonValue(plain))).not.toContain('layers')
})
