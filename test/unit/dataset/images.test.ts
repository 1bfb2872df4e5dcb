import { chmod, mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readLabelled } from '../../../shared/dataset/labelled.ts'
import { openFileSource } from '../../../shared/dataset/source.ts'
import { findModality, readTexts } from '../../../shared/dataset/texts.ts'
import { withoutRoot } from '../../fakes/nobody.ts'
import { collect, dataFault } from './helpers.ts'

let folder = ''
const path = (...parts: string[]) => join(folder, ...parts)

async function put(name: string, content: string): Promise<void> {
  await mkdir(dirname(path(name)), { recursive: true })
  await writeFile(path(name), content)
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-images-'))
  for (const name of ['b/2.JPG', 'b/1.png', 'a/deep/3.webp', 'a/4.jpeg']) {
    await put(`set/${name}`, `bytes of ${name}`)
  }
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('a folder of images', () => {
  it('gives a row for each image, sorted, labelled by its first folder', async () => {
    const source = await openFileSource(path('set'))
    expect(await findModality(source)).toBe('image')
    const { examples, classes, modality, summary } = await readLabelled(source)
    expect(modality).toBe('image')
    expect(classes).toEqual(['a', 'b'])
    expect(examples.map(({ text, labels }) => [text, ...labels])).toEqual([
      ['a/4.jpeg', 'a'],
      ['a/deep/3.webp', 'a'],
      ['b/1.png', 'b'],
      ['b/2.JPG', 'b'],
    ])
    expect(summary.warnings).toEqual([])
    const bytes = await examples[0]!.image!.load()
    expect(Buffer.from(bytes).toString()).toBe('bytes of a/4.jpeg')
  })

  it('counts what it leaves out: other files, links, the empty, the unreadable, the too large', async () => {
    for (const name of ['a/1.png', 'a/2.png', 'b/3.png', 'b/4.png']) await put(`odd/${name}`, name)
    await put('odd/README.md', 'not an image')
    await put('odd/a/.hidden.png', 'hidden')
    await put('odd/b/empty.png', '')
    await put('odd/b/large.png', '')
    await truncate(path('odd/b/large.png'), 3000)
    await put('odd/top.png', 'no class')
    await put('odd/a/same.png', 'a/1.png')
    await symlink(path('set/b/1.png'), path('odd/b/link.png'))
    const source = await openFileSource(path('odd'))
    const { examples, summary } = await readLabelled(source, { maxImageBytes: 2048 })
    expect(examples.map(({ text }) => text)).toEqual(['a/1.png', 'a/2.png', 'b/3.png', 'b/4.png'])
    const messages = Object.fromEntries(
      summary.warnings.map(({ code, message }) => [code, message]),
    )
    expect(messages).toEqual({
      not_images: expect.stringMatching(/^2 files that are no images left out \(README\.md: not/),
      unreadable_images: expect.stringMatching(
        /^2 images that cannot be read left out \(b\/empty\.png: the file is empty, b\/large\.png: larger than 2 KiB/,
      ),
      empty_labels: expect.stringContaining('(top.png)'),
      duplicates: '1 row repeats an earlier image and label (a/same.png)',
    })
  })

  it('counts a file without permission', async () => {
    for (const name of ['a/1.png', 'a/2.png', 'b/3.png']) await put(`shut/${name}`, name)
    await chmod(path('shut/a/2.png'), 0)
    const { summary } = await withoutRoot(folder, async () =>
      readLabelled(await openFileSource(path('shut'))),
    )
    expect(summary.warnings.map(({ code }) => code)).toContain('unreadable_images')
  })

  it('notices that a file changed between two readings', async () => {
    for (const name of ['a/1.png', 'b/2.png', 'b/3.png']) await put(`moved/${name}`, name)
    const { examples } = await readLabelled(await openFileSource(path('moved')))
    await put('moved/a/1.png', 'other bytes')
    expect(await dataFault(examples[0]!.image!.load())).toBe(
      'a/1.png: the file changed while it was in use',
    )
  })

  it('refuses a single class, and a folder without images', async () => {
    await put('one/a/1.png', '1')
    await put('one/a/2.png', '2')
    expect(await dataFault(readLabelled(await openFileSource(path('one'))))).toMatch(
      /every row has the label "a"; two classes are needed/,
    )
    await put('texts/a.csv', 'text,label')
    expect(await dataFault(readLabelled(await openFileSource(path('texts'))))).toMatch(
      /no JPEG, PNG or WebP file in this folder; for texts, name a file/,
    )
  })
})

describe('a file with paths of images', () => {
  it('reads them relative to itself, in the order of its rows', async () => {
    await put('list.csv', 'path,label\nset/b/1.png,x\nset/a/4.jpeg,y\nset/none.png,y\n')
    const source = await openFileSource(path('list.csv'))
    expect(await findModality(source)).toBe('image')
    const { examples, summary } = await readLabelled(source)
    expect(examples.map(({ text }) => text)).toEqual(['set/b/1.png', 'set/a/4.jpeg'])
    expect(summary.textColumn).toBe('path')
    expect(summary.warnings[0]?.message).toBe(
      '1 image that cannot be read left out (set/none.png: no such file)',
    )
    const rows = await collect(readTexts(source))
    expect(Buffer.from(await rows[0]!.image!.load()).toString()).toBe('bytes of b/1.png')
  })

  it('takes a text column before one of paths, unless told otherwise', async () => {
    await put('both.jsonl', '{"text":"a","file":"set/b/1.png"}\n')
    const source = await openFileSource(path('both.jsonl'))
    expect(await findModality(source)).toBe('text')
    expect(await findModality(source, { imageColumn: 'file' })).toBe('image')
    const [row] = await collect(readTexts(source, { imageColumn: 'file' }))
    expect(row!.image!.path).toBe('set/b/1.png')
  })

  it.each(['../secret.png', '/etc/passwd', 'a/../../b.png', 'a\\..\\..\\b.png'])(
    'refuses %s, which is not below the folder',
    async (name) => {
      await put('leaving/list.jsonl', `${JSON.stringify({ image: name, label: 'x' })}\n`)
      const source = await openFileSource(path('leaving/list.jsonl'))
      expect(await dataFault(readLabelled(source))).toMatch(/is not below the folder of the data/)
      expect(await dataFault(collect(readTexts(source)))).toMatch(/line 1: the image "/)
    },
  )

  it('does not follow a link out of the folder', async () => {
    await put('secret.png', 'secret')
    await put('linked/list.csv', 'image,label\nlink.png,x\nreal.png,y\nother.png,z\n')
    await put('linked/real.png', 'real')
    await put('linked/other.png', 'other')
    await symlink(path('secret.png'), path('linked/link.png'))
    const { examples, summary } = await readLabelled(await openFileSource(path('linked/list.csv')))
    expect(examples.map(({ text }) => text)).toEqual(['real.png', 'other.png'])
    expect(summary.warnings[0]?.message).toMatch(/link\.png: a link that leaves/)
  })
})
