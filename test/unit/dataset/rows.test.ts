import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readRows } from '../../../shared/dataset/rows.ts'
import type { DataFormat, RowOptions } from '../../../shared/dataset/types.ts'
import { bytesSource, collect, dataFault } from './helpers.ts'

const read = (
  content: string | Uint8Array,
  format: DataFormat,
  options: RowOptions = {},
  chunk?: number,
) => collect(readRows(bytesSource(content, format, chunk), options))

const values = async (...args: Parameters<typeof read>) =>
  (await read(...args)).map(({ line, cells }) => [line, ...Object.values(cells)])

describe('CSV', () => {
  it('reads quotes, commas, line ends inside fields and blank lines, with the line of each row', async () => {
    const csv = 'text,label\r\n"a, ""b""",x\r\n\r\n"two\r\nlines",y\nplain,z'
    expect(await values(csv, 'csv')).toEqual([
      [2, 'a, "b"', 'x'],
      [4, 'two\r\nlines', 'y'],
      [6, 'plain', 'z'],
    ])
  })

  it('drops a byte order mark, also one that a chunk boundary cuts', async () => {
    for (const chunk of [1, 2, 3, 100]) {
      const rows = await read('\ufefftext,label\nhé,x\n', 'csv', {}, chunk)
      expect(rows[0]).toMatchObject({ columns: ['text', 'label'], cells: { text: 'hé' } })
    }
  })

  it('names columns by number without a header, and by place where a header cell is empty', async () => {
    expect((await read('a,b\n', 'csv', { header: false }))[0]?.cells).toEqual({ 1: 'a', 2: 'b' })
    expect((await read(',text\n0,b\n', 'csv'))[0]?.columns).toEqual(['1', 'text'])
  })

  it('keeps columns apart from the properties of objects', async () => {
    const [row] = await read('__proto__,toString\na,b\n', 'csv')
    expect(Object.entries(row?.cells ?? {})).toEqual([
      ['__proto__', 'a'],
      ['toString', 'b'],
    ])
    expect((await read('{"a":1}', 'jsonl'))[0]?.cells.toString).toBeUndefined()
  })

  it('restores every table, however it is cut into chunks', async () => {
    const field = fc.string({
      unit: fc.constantFrom('a', '"', ',', '\n', '\r', ' ', 'é', '𝄞', '\0'),
    })
    const table = fc.array(fc.tuple(field, field), { minLength: 1, maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(table, fc.integer({ min: 1, max: 40 }), async (rows, chunk) => {
        const quoted = rows.map((row) => row.map((f) => `"${f.replaceAll('"', '""')}"`).join(','))
        const csv = `a,b\r\n${quoted.join('\r\n')}\r\n`
        const got = await read(csv, 'csv', {}, chunk)
        expect(got.map(({ cells }) => [cells.a, cells.b])).toEqual(rows)
        const lines = rows.map(
          (_, i) => 2 + quoted.slice(0, i).join('\n').split('\n').length - +(i === 0),
        )
        expect(got.map(({ line }) => line)).toEqual(lines)
      }),
      { numRuns: 200 },
    )
  })

  it.each([
    [
      'never closed',
      'text,label\na,x\n"b,y\nc,z\n',
      'data.csv line 3: the quote opened here is never closed',
    ],
    [
      'never closed in a later field',
      'a,b\n"1\n2","3\n4\n',
      'data.csv line 3: the quote opened here is never',
    ],
    [
      'closed by the next quote',
      'a,b\nx,"y\n1,2\n"z",3\n',
      'data.csv line 2: the quote opened here is followed by text after it closes (on line 4)',
    ],
    [
      'inside a plain field',
      'a,b\nx y "z",1\n',
      'data.csv line 2: a quote inside an unquoted field',
    ],
    ['ragged, short', 'a,b\n1,2\n3\n', 'data.csv line 3: 1 field where the header has 2'],
    [
      'ragged, long',
      'a,b\n"1\n",2\n3,4,5\n',
      'data.csv line 4: 3 fields where the header has 2; a field that contains a comma',
    ],
    ['column twice', 'a,a\n1,2\n', 'data.csv line 1: the column "a" occurs twice'],
  ])('names the line of a fault: %s', async (_, csv, message) => {
    for (const chunk of [1, 7, 1000]) {
      expect(await dataFault(read(csv, 'csv', {}, chunk))).toContain(message)
    }
  })

  it('bounds rows and fields by bytes', async () => {
    const limits = { maxFieldBytes: 20, maxRowBytes: 64 }
    expect(await dataFault(read(`a,b\n1,${'é'.repeat(11)}\n`, 'csv', { limits }))).toBe(
      'data.csv line 2: the field "b" is longer than 20 bytes',
    )
    expect(await read(`a,b\n1,${'é'.repeat(10)}\n`, 'csv', { limits })).toHaveLength(1)
    expect(await dataFault(read(`a,b\n1,${'x'.repeat(99)}`, 'csv', { limits }))).toBe(
      'data.csv line 2: the row is longer than 64 bytes',
    )
    const open = `a,b\n1,2\n3,"${'x\n'.repeat(99)}`
    expect(await dataFault(read(open, 'csv', { limits }))).toBe(
      'data.csv line 3: the quote opened here is not closed within 64 bytes',
    )
  })

  it('stops reading when the consumer stops', async () => {
    let closed = false
    const source = {
      ...bytesSource('', 'csv'),
      async *open() {
        try {
          for (;;) yield Buffer.from('a,b\n1,2\n')
        } finally {
          closed = true
        }
      },
    }
    for await (const row of readRows(source)) if (row.line > 4) break
    await expect.poll(() => closed).toBe(true)
  })
})

describe('encodings', () => {
  it('names line, byte and fix where bytes are no UTF-8', async () => {
    const latin1 = Buffer.from('text,label\nok,x\ncaf\xe9,y\n', 'latin1')
    for (const chunk of [1, 2, 5, 100]) {
      expect(await dataFault(read(latin1, 'csv', { encoding: 'utf-8' }, chunk))).toBe(
        'data.csv line 3: not UTF-8: byte 0xE9 at offset 19; correct it, or name the encoding of the file, ' +
          'such as encoding windows-1252',
      )
    }
    const cut = Buffer.from('text\nab\xe2\x82', 'latin1')
    expect(await dataFault(read(cut, 'csv', { encoding: 'utf-8' }))).toContain(
      'line 2: not UTF-8: byte 0xE2 at offset 7',
    )
  })

  it.each([
    ['UTF-32', [0xff, 0xfe, 0, 0, 0x61, 0, 0, 0]],
    ['gzip', [0x1f, 0x8b, 8, 0]],
    ['zip', [0x50, 0x4b, 3, 4]],
    ['Parquet', [0x50, 0x41, 0x52, 0x31]],
  ])('recognises %s and says what to do', async (word, bytes) => {
    expect(await dataFault(read(Uint8Array.from(bytes), 'jsonl'))).toContain(word)
  })

  it('passes every UTF-8 text and refuses every other, wherever it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 0, maxLength: 12 }),
        fc.string({ unit: 'grapheme', maxLength: 6 }),
        fc.integer({ min: 1, max: 5 }),
        async (noise, text, chunk) => {
          const bytes = Buffer.concat([Buffer.from(`x${text}`), noise])
          const decoded = tryDecode(bytes)
          const got = await read(bytes, 'txt', { encoding: 'utf-8' }, chunk).then(
            (rows) => rows.map(({ cells }) => cells.text).join('\n'),
            () => null,
          )
          const lines = decoded?.replace(/\r?\n$|\r$/, '').replaceAll('\r\n', '\n')
          expect(got).toBe(lines ?? null)
        },
      ),
      { numRuns: 300 },
    )
  })
})

function tryDecode(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
}

describe('TSV', () => {
  it('takes quotes as text, save around a whole field', async () => {
    const tsv = 'label\ttext\nham\t"Gimme" he said\nspam\t"win ""now"""\n\nham\tit\'s 5" wide\r\n'
    expect(await values(tsv, 'tsv')).toEqual([
      [2, 'ham', '"Gimme" he said'],
      [3, 'spam', 'win "now"'],
      [5, 'ham', 'it\'s 5" wide'],
    ])
  })

  it('names a ragged line', async () => {
    expect(await dataFault(read('a\tb\n1\t2\n3\t4\t5\n', 'tsv'))).toBe(
      'data.tsv line 3: 3 fields where the header has 2',
    )
  })
})

describe('JSON lines', () => {
  it('restores every object', async () => {
    const object = fc.dictionary(fc.string(), fc.jsonValue({ stringUnit: 'grapheme' }))
    await fc.assert(
      fc.asyncProperty(fc.array(object), fc.integer({ min: 1, max: 30 }), async (rows, chunk) => {
        const text = rows.map((row) => JSON.stringify(row)).join('\n')
        const got = await read(text, 'jsonl', {}, chunk)
        expect(got.map(({ cells }) => JSON.parse(JSON.stringify(cells)))).toEqual(
          rows.map((row) => JSON.parse(JSON.stringify(row))),
        )
      }),
      { numRuns: 100 },
    )
  })

  it.each([
    ['no JSON', '{"text":"a"}\n{"text":\n', 'data.jsonl line 2: not JSON'],
    ['a list', '[{"text":"a"}]', 'line 1: not a JSON object; write one object a line'],
    ['a pretty-printed list', '[\n{"text":"a"}\n]', 'line 1: not JSON; write one object a line'],
    ['a number', '{"text":"a"}\n\n7', 'line 3: not a JSON object'],
    ['a lone surrogate', '{"text":"a\\ud800"}', 'line 1: "text" has half of a surrogate pair'],
    ['one in a list', '{"label":["a\\udfff"]}', 'line 1: "label" has half of a surrogate pair'],
  ])('names the line of %s', async (_, text, message) => {
    expect(await dataFault(read(text, 'jsonl'))).toContain(message)
  })

  it('bounds a line before it is parsed', async () => {
    const limits = { maxRowBytes: 100 }
    const text = `{"text":"a"}\n${'['.repeat(1000)}`
    expect(await dataFault(read(text, 'jsonl', { limits }, 16))).toBe(
      'data.jsonl line 2: the line is longer than 100 bytes',
    )
  })
})

it('reads plain text as one row a line', async () => {
  expect(await values('one\r\n\ntwo', 'txt')).toEqual([
    [1, 'one'],
    [2, ''],
    [3, 'two'],
  ])
})
