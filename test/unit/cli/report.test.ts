import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encodeHead } from '../../../shared/head/encode.ts'
import { openRegistry } from '../../../shared/registry/registry.ts'
import { openDirectoryStore } from '../../../shared/registry/stores/directory/store.ts'
import { toJson } from '../../../shared/reports/to-json.ts'
import { createFakeBoot } from '../../fakes/fake-boot.ts'
import { createTestHead, createTestRegistry, FAKE_FAMILY, publishHead } from '../../fakes/heads.ts'
import { writeShapes } from '../../fakes/shapes.ts'
import { checkXml } from '../reports/check-xml.ts'
import { sampleReport } from '../reports/sample-report.ts'
import { runCommand } from './run.ts'

const intents = fileURLToPath(new URL('../../fixtures/intents.csv', import.meta.url))
const shipped = fileURLToPath(new URL('../../../infra/heads/', import.meta.url))
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-report-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))
const path = (...parts: string[]): string => join(folder, ...parts)

function createWorkshop(encoder: object = { dimension: 32 }) {
  const registry = createTestRegistry()
  const boot = createFakeBoot({ encoder, cacheFolder: path('cache'), registry })
  return { registry, run: (...argv: string[]) => runCommand(argv, { boot }) }
}

/** A version whose `report.json` is this text. */
async function publishReport(json: string) {
  const { registry, run } = createWorkshop()
  const bytes = encodeHead(createTestHead('a'))
  await registry.publish({
    ...{ name: 'intent', kind: 'classifier', family: FAKE_FAMILY, metadata: {} },
    files: [
      { path: 'head.bin', source: { bytes } },
      { path: 'report.json', source: { bytes: new TextEncoder().encode(json) } },
    ],
  })
  return run
}

describe('the report of a stored version', () => {
  it('is what training wrote, with the version named', async () => {
    const { run } = createWorkshop()
    await run('train', intents, '--name', 'intent', '-q', '--report', path('first'))
    const first = (name: string) => readFile(path('first', name), 'utf8')
    expect((await run('report', 'intent', '--json')).stdout).toBe(await first('report.json'))
    const { stdout } = await run('report', 'intent@v1')
    expect(stdout).toBe((await first('report.md')).replace('# `intent`', '# `intent@v1`'))
    expect((await run('report', 'intent@v1', '--markdown')).stdout).toBe(stdout)

    const written = await run('report', 'intent', '--html', path('page.html'))
    expect(written).toMatchObject({ code: 0, stdout: `intent@v1: ${path('page.html')}\n` })
    const page = await readFile(path('page.html'), 'utf8')
    const named = (html: string) => html.replaceAll('>intent<', '>intent@v1<')
    expect(page).toContain('<h1>intent@v1</h1>')
    expect(page).toBe(
      named(await first('report.html')).replace('<title>intent:', '<title>intent@v1:'),
    )
    expect((await run('report', 'intent', '--html', '-')).stdout).toBe(page)
    await run('report', 'intent', '--output', path('again'))
    expect((await readdir(path('again'))).sort()).toEqual([
      'report.html',
      'report.json',
      'report.md',
    ])
  })

  it('names lines of the file behind confused pairs, and halves the rows, the same every time', async () => {
    const { run } = createWorkshop()
    const train = async (...options: string[]) => {
      const args = ['--name', 'intent', '-q', '--dry-run', '--json', ...options]
      return JSON.parse((await run('train', intents, ...args)).stdout).report
    }
    const report = await train()
    const rows = (await readFile(intents, 'utf8')).trimEnd().split('\n')
    const { rows: held, confusedPairs, riskCoverage, accuracy } = report.outOfFold
    expect(held).toBe(report.split.trainRows)
    expect(accuracy).toBe(report.crossValidation.accuracy)
    expect(riskCoverage.points.at(-1).risk).toBeCloseTo(1 - accuracy, 12)
    const wrong = confusedPairs.reduce(
      (sum: number, { forth, back }: { forth: number; back: number }) => sum + forth + back,
      0,
    )
    expect(wrong).toBe(Math.round(held * (1 - accuracy)))
    for (const { first, second, forth, back, lines } of confusedPairs) {
      const labels: string[] = lines.map((line: number) => rows[line - 1]!.split(',').at(-1))
      expect(labels.filter((label) => label === first)).toHaveLength(forth)
      expect(labels.filter((label) => label === second)).toHaveLength(back)
    }
    expect(JSON.stringify(report)).not.toContain(rows[1]!.split(',')[0])
    expect(report.learningCurve).toMatchObject({ on: 'folds', rows: held })
    const again = await train()
    for (const part of ['learningCurve', 'outOfFold', 'test']) {
      expect(again[part]).toEqual(report[part])
    }
    expect((await train('--no-learning-curve')).learningCurve).toBeNull()
  })

  it('keeps the images of wrong answers, which are in the page alone', async () => {
    await writeShapes(path('shapes'), 10, 1)
    const { run } = createWorkshop({ name: 'eyes', modality: 'image', dimension: 16 })
    const options = ['--name', 'shapes', '-q', '--method', 'ncm', '--report', path('eyes')]
    await run('train', path('shapes'), ...options)
    const images = (html: string) => html.match(/src="data:image\/webp;base64,[^"]+"/g) ?? []
    const first = images(await readFile(path('eyes', 'report.html'), 'utf8'))
    expect(first.length).toBeGreaterThan(0)
    expect(images((await run('report', 'shapes', '--html', '-')).stdout)).toEqual(first)
  })

  it('shows one of an earlier release with what it has', async () => {
    const boot = createFakeBoot({ registry: openRegistry(openDirectoryStore(shipped)) })
    const json = JSON.parse((await runCommand(['report', 'intent', '--json'], { boot })).stdout)
    expect(json.baselines).toBeUndefined()
    const { code, stdout } = await runCommand(['report', 'intent', '--html', '-'], { boot })
    expect(code).toBe(0)
    checkXml(stdout.trimEnd())
    expect(stdout).toContain('Confusion matrix, 7 × 7')
    expect(stdout).not.toMatch(/NaN|undefined/)
    const markdown = (await runCommand(['report', 'intent'], { boot })).stdout
    expect(markdown).toContain('## Labels, by F1')
    expect(markdown).not.toMatch(/NaN|undefined/)
  })

  it('says where there is none', async () => {
    const { registry, run } = createWorkshop()
    await publishHead(registry, 'intent', createTestHead('a'))
    expect(await run('report', 'intent')).toMatchObject({
      code: 1,
      stdout: '',
      stderr:
        'espalier: intent@v1 has no report: it was published from files without a report.json\n',
    })
    expect((await run('report', 'intent@v7')).stderr).toContain('intent has no v7')
    expect((await run('report', 'nothing')).stderr).toContain('no model "nothing"')
  })

  const valid = JSON.parse(toJson(sampleReport(['a', 'b'])))
  it.each([
    ['{', 'is no JSON'],
    ['[]', 'is not one of a training: the whole is missing'],
    [JSON.stringify({ ...valid, schema: 2 }), 'has form 2, this release reads 1'],
    [
      JSON.stringify({ ...valid, labels: 3 }),
      'is not one of a training: labels is missing or of another kind',
    ],
    [JSON.stringify({ ...valid, baselines: 7 }), 'holds what this release cannot show'],
  ])('refuses %.30s', async (json, message) => {
    const run = await publishReport(json)
    const { code, stderr } = await run('report', 'intent')
    expect(code).toBe(1)
    expect(stderr).toContain(`the report of intent@v1 ${message}`)
    expect(stderr.trim().split('\n')).toHaveLength(1)
  })

  it('stands beside that of another version, as Markdown and as a page', async () => {
    const { run } = createWorkshop()
    const train = (...options: string[]) =>
      run('train', intents, '--name', 'intent', '-q', ...options)
    await train('--method', 'ncm')
    await train('--method', 'ridge', '--no-learning-curve')
    const { code, stdout } = await run('report', 'intent@v1', '--beside', 'intent@v2')
    expect(code).toBe(0)
    expect(stdout).toContain('# `intent@v1` beside `intent@v2`')
    const figures = JSON.parse((await run('report', 'intent@v1', '--json')).stdout)
    const others = JSON.parse((await run('report', 'intent@v2', '--json')).stdout)
    const told = (share: number) => `${(100 * share).toFixed(1)} %`
    const accuracy = stdout.split('\n').find((line) => line.startsWith('| Accuracy'))!
    const [, , first, second] = accuracy.split('|')
    expect(first).toContain(told(figures.repeatedCrossValidation.accuracy))
    expect(second).toContain(told(others.repeatedCrossValidation.accuracy))
    expect(first).toMatch(/\(\d+\.\d % to \d+\.\d %\)/)
    expect(stdout).toContain('on the same test rows')
    for (const title of ['Figures', 'Origin', 'Labels', 'Confusions', 'Learning curves']) {
      expect(stdout).toContain(`## ${title}\n`)
    }
    expect(stdout).toContain('intent@v2 has no learning curve.')
    const errors = (report: typeof figures) =>
      report.test.confusions
        .filter(
          ({ actual, predicted }: { actual: number; predicted: number }) => actual !== predicted,
        )
        .reduce((sum: number, { count }: { count: number }) => sum + count, 0)
    const table = stdout.split('## Confusions')[1]!.split('## ')[0]!
    const cells = [...table.matchAll(/\| +(\d+) \| +(\d+) \|/g)]
    expect(cells.reduce((sum, cell) => sum + Number(cell[1]), 0)).toBe(errors(figures))
    expect(cells.reduce((sum, cell) => sum + Number(cell[2]), 0)).toBe(errors(others))

    const page = await run('report', 'intent@v1', '--beside', 'intent@v2', '--html', '-')
    checkXml(page.stdout.trimEnd())
    expect(page.stdout).toContain('<h1>intent@v1 beside intent@v2</h1>')
    expect(page.stdout).toContain('>Learning curves</title>')
    const written = await run(
      'report',
      'intent@v1',
      '--beside',
      'intent',
      '--html',
      path('two.html'),
    )
    expect(written.stdout).toMatch(/^intent@v1 beside intent@v\d: .*two\.html\n$/)
  })

  it('stands beside one of other labels and rows, with what an earlier release has stored', async () => {
    const { registry, run } = createWorkshop()
    const publish = (json: string) =>
      registry.publish({
        ...{ name: 'intent', kind: 'classifier', family: FAKE_FAMILY, metadata: {} },
        files: [
          { path: 'head.bin', source: { bytes: encodeHead(createTestHead('a')) } },
          { path: 'report.json', source: { bytes: new TextEncoder().encode(json) } },
        ],
      })
    const evil = '</td><script>|`x`'
    await publish(toJson(sampleReport(['a', 'b', evil])))
    const other = sampleReport(['a', 'c'])
    await publish(toJson({ ...other, dataset: { ...other.dataset, sha256: 'f'.repeat(64) } }))
    await publish(toJson({ ...other, test: null, crossValidation: null }))
    const { stdout } = await run('report', 'intent@v1', '--beside', 'intent@v2', '--html', '-')
    checkXml(stdout.trimEnd())
    expect(stdout).not.toContain('<script')
    expect(stdout).toContain('Only intent@v2 has: c (1).')
    expect(stdout).toContain('the test rows may be others')
    expect(stdout).not.toMatch(/NaN|undefined/)
    const bare = await run('report', 'intent@v3', '--beside', 'intent@v1')
    expect(bare.stdout).toContain('One of the two has no test rows')
    expect(bare.stdout).not.toMatch(/NaN|undefined/)
  })

  it('refuses to stand beside nothing', async () => {
    const { run } = createWorkshop()
    await run('train', intents, '--name', 'intent', '-q', '--no-learning-curve')
    const { code, stderr } = await run('report', 'intent', '--beside', 'intent@v9')
    expect(code).toBe(1)
    expect(stderr).toContain('intent has no v9')
    for (const form of [['--json'], ['--output', path('two')]]) {
      expect(await run('report', 'intent', '--beside', 'intent', ...form)).toMatchObject({
        code: 2,
      })
    }
  })

  it('writes in one form at a time', async () => {
    const { run } = createWorkshop()
    const { code, stderr } = await run('report', 'intent', '--json', '--markdown')
    expect(code).toBe(2)
    expect(stderr).toContain("cannot be used with option '--json'")
  })
})
