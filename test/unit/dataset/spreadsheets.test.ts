import { describe, expect, it } from 'vitest'
import { readLabelled } from '../../../shared/dataset/labelled.ts'
import { readRows } from '../../../shared/dataset/rows.ts'
import { readRowsToCompare } from '../../../shared/dataset/rows-to-compare.ts'
import type { DataFormat, RowOptions } from '../../../shared/dataset/types.ts'
import { print } from '../../../shared/lib/wording.ts'
import { bytesSource, collect, dataFault } from './helpers.ts'

const notesOf = async (
  content: string | Uint8Array,
  options: RowOptions = {},
  format: DataFormat = 'csv',
  chunk?: number,
) => {
  const notes: string[] = []
  const onNote: RowOptions['onNote'] = (note) => notes.push(print(note))
  const rows = await collect(readRows(bytesSource(content, format, chunk), { ...options, onNote }))
  return { rows, cells: rows.map(({ cells }) => Object.values(cells)), notes }
}

describe('delimiters', () => {
  it.each([
    ['semicolons', ';'],
    ['tabs', '\t'],
    ['vertical bars', '|'],
  ])('tells %s from the rows and says so, however they come', async (name, d) => {
    const csv = `text${d}label\n"one, ""two"" ${d} three"${d}x\nfour, five${d}y\n`
    for (const chunk of [1, 7, 1000]) {
      const { cells, notes } = await notesOf(csv, {}, 'csv', chunk)
      expect(cells).toEqual([
        [`one, "two" ${d} three`, 'x'],
        ['four, five', 'y'],
      ])
      expect(notes).toEqual([`data.csv: fields are separated by ${name} here`])
    }
  })

  it('stays with commas where these divide the rows, and says nothing', async () => {
    const { cells, notes } = await notesOf('text,label\na; b | c,x\nd,y\n')
    expect(cells).toEqual([
      ['a; b | c', 'x'],
      ['d', 'y'],
    ])
    expect(notes).toEqual([])
    expect((await notesOf('text\nonly one column; really\n')).cells).toEqual([
      ['only one column; really'],
    ])
  })

  it('prefers columns with usual names, and says what else could be meant', async () => {
    const odd = 'text;a,label\none;b,x\ntwo;c,y\n'
    const { rows, notes } = await notesOf(odd)
    expect(rows[0]?.columns).toEqual(['text;a', 'label'])
    expect(notes[0]).toContain('semicolons divide the rows evenly too: pass delimiter semicolon')
    expect((await notesOf(odd, { delimiter: ';' })).rows[0]?.columns).toEqual(['text', 'a,label'])
  })

  it('takes the one that a spreadsheet names in its first line, and counts that line', async () => {
    const { rows, cells } = await notesOf('sep=;\r\ntext;label\r\na,b;x\r\n')
    expect(cells).toEqual([['a,b', 'x']])
    expect(rows[0]?.line).toBe(3)
  })

  it('reads a file of another delimiter that is called .tsv', async () => {
    expect((await notesOf('text;label\na;x\n', {}, 'tsv')).cells).toEqual([['a', 'x']])
  })

  it('names the delimiter in what is wrong with a row', async () => {
    expect(await dataFault(notesOf('text;label\na;x\nb;c;y\nd;z\n'))).toBe(
      'data.csv line 3: 3 fields where the header has 2; a field that contains a semicolon must be quoted',
    )
  })
})

describe('encodings', () => {
  const TEXT = 'text,label\nwhere is it,x\ns’il vous plaît – très pressé,y\n'
  const cp1252 = Buffer.from(TEXT.replaceAll('’', '\x92').replaceAll('–', '\x96'), 'latin1')
  const utf16 = Buffer.from(TEXT, 'utf16le')
  const swapped = Buffer.from(utf16).swap16()
  const marked = (bytes: Buffer, mark: readonly number[]) =>
    Buffer.concat([Buffer.from(mark), bytes])

  it.each<[string, Uint8Array, RegExp]>([
    ['UTF-16 LE', marked(utf16, [0xff, 0xfe]), /read as UTF-16LE, by its byte order mark$/],
    ['UTF-16 BE', marked(swapped, [0xfe, 0xff]), /read as UTF-16BE, by its byte order mark$/],
    ['UTF-16 LE without a mark', utf16, /read as UTF-16LE, told by its zero bytes$/],
    ['UTF-16 BE without a mark', swapped, /read as UTF-16BE, told by its zero bytes$/],
    ['Windows-1252', cp1252, /read as Windows-1252 \(confidence \d+ of 100\): line 3 is not UTF-8/],
  ])('tells %s, however it comes', async (_, bytes, note) => {
    for (const chunk of [1, 3, 1000]) {
      const { cells, notes } = await notesOf(bytes, {}, 'csv', chunk)
      expect(cells).toEqual([
        ['where is it', 'x'],
        ['s’il vous plaît – très pressé', 'y'],
      ])
      expect(notes).toEqual([expect.stringMatching(note)])
    }
  })

  it('reads Chinese UTF-16 without a mark', async () => {
    const bytes = Buffer.from('text,label\n我的包裹在哪里,物流\n我要退款,退款\n', 'utf16le')
    expect((await notesOf(bytes)).cells).toEqual([
      ['我的包裹在哪里', '物流'],
      ['我要退款', '退款'],
    ])
  })

  it('reads what it is told to, and needs no note for that', async () => {
    const russian = Buffer.from([0xcf, 0xf0, 0xe8, 0xe2, 0xe5, 0xf2])
    const bytes = Buffer.concat([Buffer.from('text\n'), russian, Buffer.from('\n')])
    const { cells, notes } = await notesOf(bytes, { encoding: 'windows-1251' })
    expect(cells).toEqual([['Привет']])
    expect(notes).toEqual([])
    for (const encoding of ['windows-1252', 'latin1', 'ISO-8859-1', 'cp1252']) {
      expect((await notesOf(cp1252, { encoding })).cells[1]?.[0]).toBe(
        's’il vous plaît – très pressé',
      )
    }
  })

  it('asks for another encoding by its name', async () => {
    const line = 'Где моя посылка, хочу вернуть деньги'
    const cp1251 = Buffer.from(
      [...line].map((c) => {
        const code = c.charCodeAt(0)
        return code < 0x80 ? code : code - 0x410 + 0xc0
      }),
    )
    const bytes = Buffer.concat([Buffer.from('text\n"'), cp1251, Buffer.from('"\n')])
    expect(await dataFault(notesOf(bytes))).toMatch(
      /^data\.csv line 2: not UTF-8: byte 0xC3 at offset 6; it looks like (?=.*windows-1251).*: pass encoding with its name, or save it as UTF-8$/,
    )
  })

  it('takes UTF-8 with a damaged byte for what it is', async () => {
    const good = 'text\nünïcödé ünd möre\nand möre äöü\n'
    const bytes = Buffer.concat([Buffer.from(good), Buffer.from([0xfc, 0x0a])])
    expect(await dataFault(notesOf(bytes))).toMatch(
      /^data\.csv line 4: not UTF-8: byte 0xFC at offset \d+, and what stands before it is UTF-8; correct it, or pass encoding windows-1252 where all of it is Windows-1252$/,
    )
  })

  it('says where bytes are not in the encoding that was named', async () => {
    const bytes = Buffer.concat([Buffer.from('text\nab\n'), Buffer.from([0xff, 0xff])])
    expect(await dataFault(notesOf(bytes, { encoding: 'shift_jis' }))).toContain(
      'are not SHIFT_JIS',
    )
  })
})

describe('columns of texts', () => {
  const csv = 'subject,body,queue\nHello,where is it,a\n ,no subject,b\nRefund,,b\n'

  it('joins several in their order, without those that are empty', async () => {
    const source = bytesSource(csv, 'csv')
    const options = { textColumn: 'subject, body', labelColumn: 'queue' }
    const { examples, summary } = await readLabelled(source, options)
    expect(examples.map(({ text }) => text)).toEqual(['Hello\nwhere is it', 'no subject', 'Refund'])
    expect(summary).toMatchObject({
      textColumn: 'subject,body',
      joinedColumns: ['subject', 'body'],
    })
  })

  it('takes a name with a comma for one column, and names a missing part', async () => {
    const one = bytesSource('"a,b",label\nx,1\ny,2\nz,1\n', 'csv')
    expect((await readLabelled(one, { textColumn: 'a,b' })).examples[0]?.text).toBe('x')
    const missing = readLabelled(bytesSource(csv, 'csv'), { textColumn: 'subject,text' })
    expect(await dataFault(missing)).toContain('no column "text"; the columns are "subject"')
  })

  it('takes the columns that a classifier remembers where none is named and all are there', async () => {
    const joinedColumns = ['subject', 'body']
    const { rows } = await readRowsToCompare(bytesSource(csv, 'csv'), { joinedColumns })
    expect(rows.map(({ text }) => text)).toEqual(['Hello\nwhere is it', 'no subject', 'Refund'])
    const other = bytesSource('text\na\nb\n', 'csv')
    expect((await readRowsToCompare(other, { joinedColumns })).rows[0]?.text).toBe('a')
  })
})

describe('columns of labels', () => {
  const csv =
    'id,comment_text,toxic,spam,praise\n1,you fool,1,0,0\n2,buy this,0,1,0\n3,well done,0,0,1\n4,fool buy,1,1,0\n5,at noon,0,0,0\n'
  const textColumn = 'comment_text'

  it('tells a column for each label, and asks with the whole option', async () => {
    expect(await dataFault(readLabelled(bytesSource(csv, 'csv'), { textColumn }))).toBe(
      'data.csv: which column is the label? "toxic", "spam", "praise" hold 0 and 1 alone: where each is a label, ' +
        'pass label-columns toxic,spam,praise; else label-column',
    )
  })

  it('reads them, with rows of zeros as rows without a label', async () => {
    const labelColumns = ['toxic', 'spam', 'praise']
    const data = await readLabelled(bytesSource(csv, 'csv'), { textColumn, labelColumns })
    expect(data.multiLabel).toBe(true)
    expect(data.classes).toEqual(['praise', 'spam', 'toxic'])
    expect(data.examples.map(({ labels }) => labels)).toEqual([
      ['toxic'],
      ['spam'],
      ['praise'],
      ['spam', 'toxic'],
      [],
    ])
  })

  it('takes the words that programs write, and names a cell that is neither', async () => {
    const words = 'text,a,b\none,True,no\ntwo,x,\nthree,1.0,nan\nfour,FALSE,yes\n'
    const labelColumns = ['a', 'b']
    const data = await readLabelled(bytesSource(words, 'csv'), { labelColumns })
    expect(data.examples.map(({ labels }) => labels)).toEqual([['a'], ['a'], ['a'], ['b']])
    const soft = readLabelled(bytesSource('text,a,b\none,0.83,0\n', 'csv'), { labelColumns })
    expect(await dataFault(soft)).toBe(
      'data.csv line 2: "a" is "0.83"; a column of a label holds 0 or 1',
    )
  })

  it('asks which of two columns is the label', async () => {
    const two = 'text,intent,label\na,x,1\nb,y,2\n'
    const message =
      'data.csv: which column is the label? The file has "label", "intent": pass label-column label or label-column intent'
    expect(await dataFault(readLabelled(bytesSource(two, 'csv')))).toBe(message)
    expect(await dataFault(readRowsToCompare(bytesSource(two, 'csv'), {}))).toBe(message)
    const data = await readLabelled(bytesSource(`${two}c,x,2\n`, 'csv'), { labelColumn: 'intent' })
    expect(data.classes).toEqual(['x', 'y'])
  })

  it('counts cells that say that there is no value', async () => {
    const missing = 'text,label\na,x\nnan,y\nc,N/A\nd,x\ne,\nf,none\n'
    const { summary } = await readLabelled(bytesSource(missing, 'csv'))
    const messages = summary.warnings.map(({ message }) => message)
    expect(messages).toContain(
      '2 cells say that there is no value (line 3: "nan", line 4: "N/A") and are taken as written; empty such cells to leave their rows out',
    )
    expect(messages).toContain('1 row without label left out (line 6)')
  })

  it('takes 5,000 classes, labels of numbers and dates', async () => {
    const rows = Array.from({ length: 10_000 }, (_, i) => `text ${i},${i % 5_000}`)
    const many = await readLabelled(bytesSource(`text,label\n${rows.join('\n')}\n`, 'csv'))
    expect(many.classes).toHaveLength(5_000)
    const dates = 'text,label\na,2024-02-29\nb,2024-03-01\nc,2024-02-29\n'
    expect((await readLabelled(bytesSource(dates, 'csv'))).classes).toEqual([
      '2024-02-29',
      '2024-03-01',
    ])
  })
})

describe('labels of numbers and dates', () => {
  const table = (label: (i: number) => string) =>
    bytesSource(
      `text,label\n${Array.from({ length: 40 }, (_, i) => `text ${i},${label(i)}`).join('\n')}\n`,
      'csv',
    )

  it.each([
    ['decimal numbers', (i: number) => `${i % 30}.5`],
    ['dates', (i: number) => `2024-01-${String((i % 28) + 1).padStart(2, '0')}`],
    ['dates with days first', (i: number) => `${(i % 28) + 1}.1.2024`],
  ])('are no classes where most %s occur once', async (_, label) => {
    expect(await dataFault(readLabelled(table(label)))).toMatch(
      /^data\.csv: "label" holds amounts or dates, \d+ different ones in 40 rows; name another label, or put them into ranges$/,
    )
  })

  it('are classes where they repeat, and whole numbers always', async () => {
    expect((await readLabelled(table((i) => `${i % 3}.5`))).classes).toHaveLength(3)
    expect((await readLabelled(table((i) => String(i % 30)))).classes).toHaveLength(30)
    const { summary } = await readLabelled(table((i) => (i % 2 ? '1' : i % 4 ? '1.0' : '2')))
    const [warning] = summary.warnings.filter(({ code }) => code === 'similar_labels')
    expect(warning?.message).toContain('how a number is written: "1" = "1.0"')
  })
})

describe('texts without a visible character', () => {
  it.each([
    ['spaces', ' \t '],
    ['a no-break space', '\u00a0'],
    ['an ideographic space', '\u3000'],
    ['a zero-width space', '\u200b'],
    ['joiners and marks of direction', '\u200d\u200e\u2066\u2069'],
    ['a byte order mark', '\ufeff'],
    ['controls', '\u0000\u0007\u0085'],
    ['a soft hyphen', '\u00ad'],
    ['a Hangul filler', '\u3164'],
    ['a blank of Braille', '\u2800'],
    ['a variation selector', '\ufe0f'],
  ])('are empty: %s', async (_, text) => {
    const lines = [
      { text, label: 'x' },
      { text: 'a', label: 'x' },
      { text: 'b', label: 'y' },
    ]
    const json = lines.map((line) => JSON.stringify(line)).join('\n')
    const { summary } = await readLabelled(bytesSource(json, 'jsonl'))
    expect(summary.examples).toBe(2)
    expect((await readRowsToCompare(bytesSource(json, 'jsonl'), {})).rows).toHaveLength(2)
  })
})
