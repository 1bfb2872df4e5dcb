import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decodeHead } from '../../../shared/head/decode.ts'
import { openRegistry } from '../../../shared/registry/registry.ts'
import { openMemoryStore } from '../../../shared/registry/stores/memory/store.ts'
import { readHeadCard } from '../../../shared/versions/head-version.ts'
import { createFakeBoot } from '../../fakes/fake-boot.ts'
import { runCommand } from './run.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-data-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const path = (name: string): string => join(folder, name)
async function file(name: string, content: string | Uint8Array): Promise<string> {
  await writeFile(path(name), content)
  return path(name)
}

/** A registry in memory and a way to run commands on it. */
function createWorkshop(cache = 'cache') {
  const registry = openRegistry(openMemoryStore())
  const boot = createFakeBoot({ encoder: { dimension: 32 }, cacheFolder: path(cache), registry })
  const run = (...argv: string[]) => runCommand(argv, { boot })
  const readHead = async (name: string, version: number) => {
    const found = await registry.getVersion(name, version)
    const bytes = await registry.readFile(found, 'head.bin', { maxBytes: 1e6 })
    return { bytes, head: decodeHead(bytes), card: readHeadCard(found) }
  }
  return { run, readHead }
}

/** Tickets of two queues in two columns. */
const tickets = (columns: string, d: string) =>
  [
    columns,
    ...Array.from({ length: 24 }, (_, i) =>
      [`subject ${i}`, `where is parcel ${i}`, i % 2 ? 'a' : 'b'].join(d),
    ),
  ].join('\n')

const lines = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { text?: string; label: string; score: number })

describe('files of spreadsheets', () => {
  it('are read with the delimiter that they have, which is noted once', async () => {
    const { run } = createWorkshop()
    const data = await file('semicolons.csv', tickets('title;text;label', ';'))
    const { code, stderr } = await run('train', data, '--name', 't', '--method', 'ncm')
    expect(code).toBe(0)
    expect(stderr.match(/fields are separated by semicolons here/g)).toHaveLength(1)
    expect(stderr).toContain(`note: ${data}: fields`)
    const forced = await run('train', data, '--name', 't', '--delimiter', 'comma')
    expect(forced).toMatchObject({ code: 1 })
    expect(forced.stderr).toContain('the columns are "title;text;label"')
  })

  it.each([
    [['--delimiter', 'ab'], 'It must be comma, semicolon, tab, pipe, or one character'],
    [['--encoding', 'klingon'], 'there is no encoding "klingon"'],
    [['--label-columns', 'a,b', '--label-column', 'c'], '--label-columns takes the place of'],
  ])('refuse %j', async (options, message) => {
    const { run } = createWorkshop()
    const data = await file('plain.csv', tickets('title,text,label', ','))
    const { code, stderr } = await run('train', data, '--name', 't', ...options)
    expect(code).toBe(2)
    expect(stderr).toContain(message)
  })

  it('are embedded and predicted as workbooks too', async () => {
    const { run } = createWorkshop()
    const book = fileURLToPath(new URL('../../golden/tables/tickets.xlsx', import.meta.url))
    const embedded = await run('embed', book, '--keep', 'label')
    expect(embedded.code).toBe(0)
    expect(embedded.stderr).toContain('read sheet "Tickets & more", the first of 2')
    expect(lines(embedded.stdout).map(({ text, label }) => [text, label])).toEqual([
      ['where is my parcel', 'shipping'],
      [' two\nlines ', 'billing'],
      ['42', 'billing'],
    ])
  })
})

describe('texts in several columns', () => {
  it('are joined by all commands as in training', async () => {
    const { run, readHead } = createWorkshop()
    const data = await file('two.csv', tickets('subject,body,queue', ','))
    const columns = ['--text-column', 'subject,body', '--label-column', 'queue']
    const train = await run('train', data, '--name', 't', '--method', 'ncm', ...columns, '-q')
    expect(train).toMatchObject({ code: 0, stderr: '' })
    const { card, bytes } = await readHead('t', 1)
    expect(card?.joinedColumns).toEqual(['subject', 'body'])
    expect(bytes[4]).toBe(1)
    const predicted = await run('predict', 't@v1', data, '-q')
    expect(lines(predicted.stdout)[3]?.text).toBe('subject 3\nwhere is parcel 3')
    const asked = await run('predict', 't@v1', data, '--text-column', 'body', '-q')
    expect(lines(asked.stdout)[3]?.text).toBe('where is parcel 3')
    const joined = await file(
      'joined.jsonl',
      lines(predicted.stdout)
        .map(({ text }) => JSON.stringify({ text }))
        .join('\n'),
    )
    const again = await run('predict', 't@v1', joined, '-q')
    expect(lines(again.stdout)).toEqual(lines(predicted.stdout))
    const evaluated = await run('evaluate', 't@v1', data, '--label-column', 'queue')
    expect(evaluated).toMatchObject({ code: 0 })
    const compared = await run('compare', 't', 'v1', 'v1', data, '--label-column', 'queue')
    expect(compared.stdout).toContain('agree on 24 of 24 rows')
    const out = path('bulk-out')
    expect(await run('bulk', data, '--output', out, '--classifier', 't@v1')).toMatchObject({
      code: 0,
    })
    const bulk = lines(await readFile(join(out, 'two.jsonl'), 'utf8'))
    expect(bulk.map(({ label, score }) => [label, score])).toEqual(
      lines(predicted.stdout).map(({ label, score }) => [label, score]),
    )
  })

  it('are asked for where two versions read different ones', async () => {
    const { run } = createWorkshop()
    const data = await file('both.csv', tickets('subject,body,queue', ','))
    const options = ['--name', 't', '--label-column', 'queue', '--method', 'ncm', '-q']
    await run('train', data, '--text-column', 'subject,body', ...options)
    await run('train', data, '--text-column', 'body', ...options)
    const { code, stderr } = await run('compare', 't', 'v1', 'v2', data)
    expect(code).toBe(2)
    expect(stderr).toContain('t@v1 was trained on subject,body, t@v2 on one column; say what')
  })
})

describe('long texts', () => {
  // The fake encoder reads 14 words.
  const filler = Array.from({ length: 16 }, () => 'and').join(' ')
  const rows = Array.from({ length: 40 }, (_, i) => `${filler} text ${i},${i % 2 ? 'a' : 'b'}`)
  const csv = `text,label\n${rows.join('\n')}\n`

  it('are read as the options say, and the head keeps it', async () => {
    const { run, readHead } = createWorkshop('cache-long')
    const data = await file('long.csv', csv)
    const train = (...more: string[]) =>
      run('train', data, '--name', 't', '--method', 'ncm', '-q', ...more)
    await train()
    await train('--truncation-direction', 'left')
    await train('--windows', 'max')
    await train('--truncation-direction', 'right', '--windows', 'none')
    expect((await readHead('t', 1)).head.reading).toBeUndefined()
    expect((await readHead('t', 2)).head.reading).toEqual({
      truncationDirection: 'left',
      windows: null,
    })
    expect((await readHead('t', 3)).head.reading).toEqual({
      truncationDirection: 'right',
      windows: 'max',
    })
    expect((await readHead('t', 4)).bytes).toEqual((await readHead('t', 1)).bytes)
  })
  it('are compared in all readings where many are cut, also from the cache', async () => {
    const { run } = createWorkshop('cache-advice')
    const data = await file('advice.csv', csv)
    const said =
      /note: 32 of 32 training texts are longer than the 16 tokens that the encoder reads, and are cut; cross-validated on 32 rows: cut at the right [\d.]+ %, cut at the left [\d.]+ %, windows \(mean\) [\d.]+ %, windows \(max\) [\d.]+ %; (?:pass --(?:windows|truncation-direction) \w+|cutting them as it is does as well)\n/
    for (let round = 0; round < 2; round++) {
      const { stderr, stdout } = await run('train', data, '--name', 't', '--method', 'ncm')
      expect(stderr).toMatch(said)
      expect(stdout).toContain("40 texts cut at the encoder's limit")
    }
    const chosen = await run('train', data, '--name', 't', '--method', 'ncm', '--windows', 'mean')
    expect(chosen.stderr).not.toContain('cross-validated on')
  })
})
