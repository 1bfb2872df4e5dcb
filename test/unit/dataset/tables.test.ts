import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { zipSync } from 'fflate'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readRows } from '../../../shared/dataset/rows.ts'
import { openFileSource, streamSource } from '../../../shared/dataset/source.ts'
import type { RowOptions } from '../../../shared/dataset/types.ts'
import { print } from '../../../shared/lib/wording.ts'
import { collect, dataFault } from './helpers.ts'

const TABLES = fileURLToPath(new URL('../../golden/tables', import.meta.url))
const golden = (name: string) => openFileSource(join(TABLES, name))
const read = async (name: string, options: RowOptions = {}) =>
  collect(readRows(await golden(name), options))

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-tables-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('Parquet, as pyarrow writes it', () => {
  const TEXTS = [
    'where is my parcel',
    'i was charged twice',
    null,
    's’il vous plaît – merci',
    '',
    '日本語',
  ]

  it.each(['none', 'snappy', 'gzip', 'brotli', 'zstd', 'lz4', 'v2', 'groups'])(
    'reads %s.parquet with all kinds of columns',
    async (name) => {
      const rows = await read(`${name}.parquet`)
      const column = (key: string) => rows.map(({ cells }) => cells[key])
      expect(rows.map(({ line }) => line)).toEqual([1, 2, 3, 4, 5, 6])
      expect(column('text')).toEqual(TEXTS)
      expect(column('large')).toEqual(TEXTS)
      expect(column('labels')).toEqual([['a', 'b'], [], null, ['c'], ['a'], ['b']])
      expect(column('number')).toEqual([1, 2, String(2n ** 60n), null, -5, 6])
      expect(column('flag')).toEqual([true, false, true, null, false, true])
      expect(column('day')).toEqual([...Array(5).fill('2024-02-29'), null])
      expect(column('moment')).toEqual(Array(6).fill('2024-02-29T12:30:00.000Z'))
      expect(column('share')).toEqual([0.5, null, 1, null, 2.5, 3])
      expect(column('intent')).toEqual(['x', 'y', 'x', 'y', null, 'x'])
    },
  )

  it('reads it from a stream as from a file, and leaves no copy behind', async () => {
    const source = await golden('zstd.parquet')
    const stream = streamSource('stdin', Readable.from(source.open()), 'parquet')
    expect(await collect(readRows(stream))).toEqual(await read('zstd.parquet'))
  })

  it('says what is wrong with a damaged file, and with a field that is too long', async () => {
    const path = join(folder, 'bad.parquet')
    await writeFile(path, 'PAR1 and nothing else')
    const bad = await openFileSource(path)
    expect(await dataFault(collect(readRows(bad)))).toContain(
      'bad.parquet: this Parquet file cannot be read: ',
    )
    const limits = { maxFieldBytes: 25 }
    expect(await dataFault(read('none.parquet', { limits }))).toContain(
      'none.parquet line 4: the field "text" is longer than 25 bytes',
    )
  })
})

describe('workbooks, as openpyxl writes them', () => {
  it('reads the first sheet as a CSV file would have it, and says that there are others', async () => {
    const notes: string[] = []
    const rows = await read('tickets.xlsx', { onNote: (note) => notes.push(print(note)) })
    expect(rows.map(({ line, cells }) => [line, ...Object.values(cells)])).toEqual([
      [2, 'where is my parcel', 'shipping', '2024-02-29', '7', 'true'],
      [4, ' two\nlines ', 'billing', '2024-02-29T12:30:00.000Z', '0.1', 'false'],
      [5, '42', 'billing', '', '', ''],
    ])
    expect(notes).toEqual([
      expect.stringMatching(
        /tickets\.xlsx: read sheet "Tickets & more", the first of 2; another is named with sheet$/,
      ),
    ])
  })

  it.each(['Other', '2'])('reads the sheet that is named: %s', async (sheet) => {
    const [row] = await read('tickets.xlsx', { sheet })
    expect(row?.cells).toEqual({ text: 'from the other sheet', label: 'z' })
  })

  it('names the sheets where one is not there', async () => {
    expect(await dataFault(read('tickets.xlsx', { sheet: 'Nope' }))).toContain(
      'no sheet "Nope"; the sheets are "Tickets & more", "Other"',
    )
  })

  it.each([
    ['no zip', Buffer.from('hello'), 'no workbook of Excel (.xlsx)'],
    ['an old workbook', Buffer.from([0xd0, 0xcf, 0x11, 0xe0]), 'an old Excel (.xls)'],
    [
      'one that unpacks to too much',
      zipSync({ 'xl/workbook.xml': new Uint8Array(300 << 20) }, { level: 9 }),
      'unpacks to more than 256 MiB',
    ],
    [
      'one cell at the far end',
      zipSync({
        'xl/workbook.xml': Buffer.from('<sheets><sheet name="a"/></sheets>'),
        'xl/worksheets/sheet1.xml': Buffer.from('<c r="XFD1048576"><v>1</v></c>'),
      }),
      'reaches to row 1048576 and column 16384',
    ],
  ])('refuses %s and says how to save it as CSV', async (_, bytes, message) => {
    const path = join(folder, 'bad.xlsx')
    await writeFile(path, bytes)
    const fault = await dataFault(collect(readRows(await openFileSource(path))))
    expect(fault).toContain(message)
    expect(fault).toContain('save the sheet as CSV (in Excel: File, Save As, "CSV UTF-8')
  })
})
