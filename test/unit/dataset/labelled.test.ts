import { describe, expect, it } from 'vitest'
import { type LabelledOptions, readLabelled } from '../../../shared/dataset/labelled.ts'
import { readTexts } from '../../../shared/dataset/texts.ts'
import type { DataFormat } from '../../../shared/dataset/types.ts'
import { bytesSource, collect, dataFault } from './helpers.ts'

const read = (content: string, options: LabelledOptions = {}, format: DataFormat = 'csv') =>
  readLabelled(bytesSource(content, format), options)

const warningsOf = async (...args: Parameters<typeof read>) =>
  (await read(...args)).summary.warnings.map(({ code, count, message }) => [code, count, message])

describe('readLabelled', () => {
  it('picks the columns by their usual names, whatever their case', async () => {
    const data = await read(
      'id,Utterance,Intent\n1,play it,music\n2,rain?,weather\n3,sun?,weather\n',
    )
    expect(data.examples).toEqual([
      { text: 'play it', labels: ['music'], line: 2 },
      { text: 'rain?', labels: ['weather'], line: 3 },
      { text: 'sun?', labels: ['weather'], line: 4 },
    ])
    expect(data.classes).toEqual(['music', 'weather'])
    expect(data.summary).toMatchObject({
      textColumn: 'Utterance',
      labelColumn: 'Intent',
      multiLabel: false,
      rows: 3,
      examples: 3,
      classCounts: [
        { label: 'music', count: 1 },
        { label: 'weather', count: 2 },
      ],
    })
  })

  it('hashes the examples, not the file', async () => {
    const csv = await read('text,label\na,1\nb,2\nc,2\n')
    const json = '{"text":"a","label":1}\n{"text":"b","label":2}\n{"text":"c","label":2}\n'
    expect((await read(json, {}, 'jsonl')).summary.sha256).toBe(csv.summary.sha256)
    expect((await read('text,label\na,1\nb,2\nd,2\n')).summary.sha256).not.toBe(csv.summary.sha256)
  })

  it.each([
    [
      'text column',
      'a,label\n1,2\n',
      {},
      'data.csv: which column is the text? Pass text-column, or several separated by commas; the columns are "a", "label"',
    ],
    [
      'label column',
      'text,b\n1,2\n',
      {},
      'data.csv: which column is the label? Pass label-column; the columns are "text", "b"',
    ],
    [
      'named column',
      'text,b\n1,2\n',
      { labelColumn: 'c' },
      'data.csv: no column "c"; the columns are "text", "b"',
    ],
    ['rows', 'text,label\n', {}, 'data.csv: no rows'],
    ['content', '', {}, 'data.csv: no rows'],
    ['texts', 'text,label\n  ,a\n,b\n', {}, 'data.csv: no row has both a text and a label'],
    [
      'second class',
      'text,label\na,x\nb,x\n',
      {},
      'data.csv: every row has the label "x"; two classes are needed',
    ],
    [
      'repeated label',
      'text,label\na,1\nb,2\nc,3\n',
      {},
      'data.csv: every row has a label of its own; is "label" really the label?',
    ],
  ])('fails without %s', async (_, csv, options, message) => {
    expect(await dataFault(read(csv, options))).toContain(message)
  })

  it('bounds rows, text and classes', async () => {
    const csv = 'text,label\naaaa,x\nbbbb,y\ncccc,x\n'
    expect(await dataFault(read(csv, { maxRows: 2 }))).toBe(
      'data.csv line 4: more than 2 rows; train on a sample',
    )
    expect(await dataFault(read(csv, { maxTextLength: 8 }))).toContain(
      'line 4: more than 8 bytes of text',
    )
    expect(await dataFault(read(csv, { maxClasses: 1 }))).toContain(
      'more than 1 different labels; is "label"',
    )
    const many = Array.from({ length: 2000 }, (_, i) => `text ${i},label ${i % 1000}`).join('\n')
    expect((await read(`text,label\n${many}`)).classes).toHaveLength(1000)
  })

  it('counts what is empty, repeated, contradictory, alike or alone', async () => {
    const csv = [
      'text,label',
      'a,Play Music',
      ' ,Play Music',
      'a ,Play Music',
      'a,weather',
      'a,play music ',
      'b,weather',
      'c,',
      'd,playMusic',
      'e,weather',
    ].join('\n')
    expect(await warningsOf(csv)).toEqual([
      ['empty_texts', 1, '1 row without text left out (line 3)'],
      ['empty_labels', 1, '1 row without label left out (line 8)'],
      ['duplicates', 1, '1 row repeats an earlier text and label (line 4)'],
      [
        'contradictions',
        1,
        '1 text has different labels in different rows (line 5: "Play Music" and "weather"); ' +
          'correct them, or train with several labels a text (multi-label)',
      ],
      [
        'similar_labels',
        1,
        '1 group of labels differs only in case, space or how a number is written: "Play Music" = "play music" = "playMusic"',
      ],
      [
        'single_example_classes',
        3,
        '3 classes have a single example: "Play Music", "play music", "playMusic"',
      ],
    ])
    const data = await read(csv)
    expect(data.examples).toHaveLength(6)
    expect((await read(csv, { duplicates: 'keep' })).examples).toHaveLength(7)
  })

  it('shows the first cases of many', async () => {
    const csv = `text,label\nx,1\ny,2\n${'x,1\n'.repeat(9)}`
    expect((await warningsOf(csv))[0]).toEqual([
      'duplicates',
      9,
      '9 rows repeat an earlier text and label (line 4, line 5, line 6, line 7, line 8, …)',
    ])
  })

  it('takes several labels from a list, a separator or repeated rows', async () => {
    const expected = [
      { text: 'a', labels: ['x', 'y'] },
      { text: 'b', labels: [] },
      { text: 'c', labels: ['y'] },
    ]
    const list =
      '{"text":"a","label":["y","x","x"]}\n{"text":"b","label":[]}\n{"text":"c","label":"y"}\n'
    const fromList = await read(list, {}, 'jsonl')
    expect(fromList).toMatchObject({ examples: expected, multiLabel: true, classes: ['x', 'y'] })
    const separated = await read('text,label\na,y; x\nb,\nc,y\n', { labelSeparator: ';' })
    expect(separated).toMatchObject({ examples: expected, multiLabel: true })
    const repeated = await read('text,label\na,y\nb,\nc,y\na,x\n', { multiLabel: true })
    expect(repeated).toMatchObject({ examples: expected, multiLabel: true })
    expect(repeated.summary.warnings.map(({ code }) => code)).toEqual([
      'merged_rows',
      'single_example_classes',
    ])
    expect(new Set([fromList, separated, repeated].map(({ summary }) => summary.sha256)).size).toBe(
      1,
    )
  })

  it('refuses cells that are no labels or texts', async () => {
    const rest = '{"text":"b","label":"x"}\n'
    const fault = (row: string, options: LabelledOptions = {}) =>
      dataFault(read(`${rest}${row}\n`, options, 'jsonl'))
    expect(await fault('{"text":"a","label":{"x":1}}')).toContain(
      'line 2: the label ("label") is neither',
    )
    expect(await fault('{"text":"a","label":["x"]}', { multiLabel: false })).toContain(
      'line 2: "label" is a list',
    )
    expect(await fault('{"text":"a"}')).toBe('data.jsonl line 2: there is no "label"')
    expect(await fault('{"text":5,"label":"x"}')).toBe(
      'data.jsonl line 2: the text ("text") is a number, not a string',
    )
  })

  it('accepts one class in a test set', async () => {
    expect((await read('text,label\na,x\nb,x\n', { allowOneClass: true })).classes).toEqual(['x'])
  })
})

describe('readTexts', () => {
  it('takes the only column whatever its name', async () => {
    const rows = await collect(readTexts(bytesSource('review\ngood\nbad\n', 'csv')))
    expect(rows.map(({ index, text }) => [index, text])).toEqual([
      [0, 'good'],
      [1, 'bad'],
    ])
  })

  it('refuses or leaves out empty texts', async () => {
    const source = bytesSource('text,n\na,1\n ,2\nb,3\n', 'csv')
    expect(await dataFault(collect(readTexts(source)))).toBe(
      'data.csv line 3: the text ("text") is empty; fill it in, or pass skip-empty to leave such rows out',
    )
    const rows = await collect(readTexts(source, { skipEmpty: true }))
    expect(rows.map(({ index, text }) => [index, text])).toEqual([
      [0, 'a'],
      [2, 'b'],
    ])
  })
})
