import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openRegistry } from '../../../shared/registry/registry.ts'
import { openMemoryStore } from '../../../shared/registry/stores/memory/store.ts'
import { createFakeBoot } from '../../fakes/fake-boot.ts'
import { writeShapes } from '../../fakes/shapes.ts'
import { runCommand } from './run.ts'

let folder = ''
const path = (...parts: string[]) => join(folder, ...parts)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-shapes-'))
  await writeShapes(path('shapes'), 10, 1)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** An encoder that hashes files, as good as chance: what it says is not judged here, what is done with it is. */
function createWorkshop() {
  const registry = openRegistry(openMemoryStore())
  const boot = createFakeBoot({
    encoder: { name: 'eyes', modality: 'image', dimension: 16 },
    cacheFolder: path('cache'),
    registry,
  })
  return { registry, boot, run: (...argv: string[]) => runCommand(argv, { boot }) }
}

describe('a folder of images', () => {
  it('trains a classifier with the image encoder, and reports the worst errors with small images', async () => {
    const { registry, boot, run } = createWorkshop()
    const args = [
      'train',
      path('shapes'),
      '--name',
      'shapes',
      '--promote',
      '--report',
      path('report'),
    ]
    const trained = await run(...args, '--method', 'ncm')
    expect(trained.code).toBe(0)
    expect(trained.stdout).toMatch(/^shapes@v1: 3 labels, 24 rows, method ncm/)
    expect(trained.stdout).toContain('/classify?model=shapes')
    expect(trained.stdout).toContain('--data-binary @image.jpg')
    expect(boot.opened.map(({ model }) => model)).toEqual(['efficientnet-lite0'])
    expect(boot.openEncoders()).toBe(0)
    const report = JSON.parse(await readFile(path('report', 'report.json'), 'utf8'))
    expect(report.dataset).toMatchObject({ modality: 'image', textColumn: 'image', examples: 30 })
    const { mistakes } = report.test as { mistakes: { image: string; confidence: number }[] }
    const sure = mistakes.map(({ confidence }) => confidence)
    expect(sure).toEqual([...sure].sort((a, b) => b - a))
    const html = await readFile(path('report', 'report.html'), 'utf8')
    expect(html.match(/<img src="data:image\/webp;base64,/g)).toHaveLength(mistakes.length)
    expect(mistakes.length).toBeGreaterThan(0)
    expect(html).toContain('img-src data:;')
    const version = await registry.getVersion('shapes', 1)
    expect(version.lineage).toMatchObject({ encoder: 'eyes@v1' })
  })

  it('keeps images out of the report where that is asked for', async () => {
    const { run } = createWorkshop()
    const args = ['train', path('shapes'), '--name', 'shapes', '--report', path('plain')]
    await run(...args, '--no-thumbnails', '--dry-run', '-q', '--method', 'ncm')
    const html = await readFile(path('plain', 'report.html'), 'utf8')
    expect(html).not.toContain('<img')
    expect(html).not.toContain('.jpg')
  })

  it('embeds, predicts and evaluates, naming each image', async () => {
    const { run, boot } = createWorkshop()
    await run('train', path('shapes'), '--name', 'shapes', '--promote', '-q', '--method', 'ncm')
    const embedded = await run('embed', path('shapes'), '-q')
    const rows = embedded.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(rows).toHaveLength(30)
    expect(rows[0]).toMatchObject({ index: 0, image: 'bar/0.jpg' })
    expect(rows[0].embedding).toHaveLength(16)
    const predicted = await run('predict', 'shapes', path('shapes'), '-q', '--top-k', '1')
    const answers = predicted.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(answers[29]).toMatchObject({ index: 29, image: 'square/9.jpg', model: 'shapes@v1' })
    expect(['bar', 'circle', 'square']).toContain(answers[29].label)
    const judged = await run('evaluate', 'shapes', path('shapes'))
    expect(judged.stdout).toMatch(/^shapes@v1 on 30 rows: accuracy /)
    // Without --encoder the head's own is opened.
    expect(boot.opened.map(({ model }) => model)).toEqual([
      'efficientnet-lite0',
      'efficientnet-lite0',
      'eyes',
      'eyes',
    ])
  })

  it('compares two versions, naming the images on which they differ', async () => {
    const { run, boot } = createWorkshop()
    await writeShapes(path('others'), 10, 300)
    for (const data of [path('shapes'), path('others')]) {
      await run('train', data, '--name', 'shapes', '--promote', '-q', '--method', 'ncm')
    }
    await writeShapes(path('judged'), 5, 900)
    await truncate(path('judged', 'circle', '2.jpg'), 0)
    const data = path('judged')
    const { code, stdout, stderr } = await run('compare', 'shapes', 'v1', 'v2', data, '--json')
    expect(code, stderr).toBe(0)
    expect(stderr).toContain('left out (circle/2.jpg: the file is empty)')
    const result = JSON.parse(stdout)
    expect(result).toMatchObject({ rows: 14, labelledRows: 14, modality: 'image' })
    expect(boot.opened.at(-1)).toMatchObject({ model: 'eyes' })
    const answers = async (version: string) => {
      const predicted = await run('predict', `shapes@${version}`, data, '-q', '--top-k', '1')
      const lines = predicted.stdout.trim().split('\n')
      return new Map(lines.map((line) => JSON.parse(line)).map((row) => [row.image, row.label]))
    }
    const [before, after] = [await answers('v1'), await answers('v2')]
    const differing = [...before.keys()].filter((key) => before.get(key) !== after.get(key))
    expect(differing.length).toBeGreaterThan(0)
    expect(result.agreed).toBe(14 - differing.length)
    const named = result.disagreements.map(({ text }: { text: string }) => text)
    expect(named.sort()).toEqual(differing.sort().slice(0, 10))
    const right = [...after].filter(([image, label]) => image.startsWith(label)).length
    expect(result.after.quality.accuracy.value).toBeCloseTo(right / 14, 12)
    const shown = await run('compare', 'shapes', 'v1', 'v2', data, '-q')
    expect(shown.stdout).toMatch(/\nshapes@v1 +shapes@v2 +LABEL +IMAGE\n/)
  })

  it('leaves out what cannot be read and says so', async () => {
    const { run } = createWorkshop()
    await writeShapes(path('spoilt'), 4, 77)
    await truncate(path('spoilt', 'bar', '1.jpg'), 0)
    await writeFile(path('spoilt', 'notes.txt'), 'these are shapes')
    const run1 = await run('train', path('spoilt'), '--name', 's', '--dry-run', '--method', 'ncm')
    expect(run1.stderr).toContain(
      'warning: 1 file that is no image left out (notes.txt: not named as JPEG, PNG or WebP)',
    )
    expect(run1.stderr).toContain(
      'warning: 1 image that cannot be read left out (bar/1.jpg: the file is empty)',
    )
    const run2 = await run('embed', path('spoilt'))
    expect(run2.stdout.trim().split('\n')).toHaveLength(11)
    expect(run2.stderr).toContain('left out (bar/1.jpg: the file is empty)')
    const run3 = await run('embed', path('spoilt'), '--output', path('rows.npy'))
    expect(run3.code).toBe(1)
    expect(run3.stderr).toContain('bar/1.jpg: the file is empty')
  })
})

describe('a column of paths', () => {
  it('trains like the folder that it names', async () => {
    const rows = ['bar', 'circle', 'square'].flatMap((shape) =>
      Array.from({ length: 10 }, (_, i) => `shapes/${shape}/${i}.jpg,${shape}`),
    )
    await writeFile(path('list.csv'), `photo,kind\n${rows.join('\n')}\n`)
    const { run } = createWorkshop()
    const of = async (...data: string[]) => {
      const args = ['train', ...data, '--name', 's', '--dry-run', '--json', '-q', '--method', 'ncm']
      return JSON.parse((await run(...args)).stdout)
    }
    const folderRun = await of(path('shapes'))
    const listRun = await of(path('list.csv'), '--label-column', 'kind')
    expect(listRun.accuracy).toBe(folderRun.accuracy)
    expect(listRun.report.dataset.sha256).toBe(folderRun.report.dataset.sha256)
    const judged = await of(path('list.csv'), '--label-column', 'kind', '--test', path('list.csv'))
    expect(judged.warnings.map(({ message }: { message: string }) => message)).toContainEqual(
      expect.stringContaining('30 images also occur in the training data'),
    )
  })
})

it.each([
  [
    'a folder with one class',
    ['train', 'shapes/bar', '--name', 's'],
    'put them into a folder for each',
  ],
  ['texts as a test', ['train', 'shapes', '--test', 'texts.csv', '--name', 's'], 'these are texts'],
  [
    'an option under both its names',
    ['train', 'shapes', '--layer', 'a', '--layers', 'auto', '--name', 's'],
    'not both',
  ],
  ['no network', ['train', 'shapes', '--layer', 'a', '--name', 's'], 'has no layers'],
  ['paths on stdin', ['embed', '-', '--format', 'csv', '--image-column', 'x'], 'a file instead of'],
])('refuses %s', async (_name, argv, message) => {
  await writeFile(path('texts.csv'), 'text,label\na,bar\nb,circle\n')
  const { boot } = createWorkshop()
  const args = argv.map((arg) => (/^(?:shapes|texts)/.test(arg) ? path(arg) : arg))
  const run = await runCommand([...args], { boot, stdin: 'x\na.jpg\n' })
  expect(run.code).not.toBe(0)
  expect(run.stderr).toContain(message)
})
