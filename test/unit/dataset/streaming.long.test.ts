import { expect, it } from 'vitest'
import { readLabelled } from '../../../shared/dataset/labelled.ts'
import { readRows } from '../../../shared/dataset/rows.ts'
import type { DataFormat, DataSource } from '../../../shared/dataset/types.ts'

const ROWS = 1_000_000
const MIB = 2 ** 20

const LINES: Record<Exclude<DataFormat, 'txt' | 'parquet' | 'xlsx'>, (i: number) => string> = {
  csv: (i) =>
    i % 5 ? `this is text number ${i},class ${i % 77}` : `"text, ""${i}""\n",class ${i % 77}`,
  tsv: (i) => `this is text number ${i}\tclass ${i % 77}`,
  jsonl: (i) => JSON.stringify({ text: `this is text number ${i}`, label: `class ${i % 77}` }),
}

function millionRows(format: Exclude<DataFormat, 'txt' | 'parquet' | 'xlsx'>): DataSource {
  return {
    name: `million.${format}`,
    format,
    repeatable: true,
    async *open() {
      let text = format === 'jsonl' ? '' : `text${format === 'csv' ? ',' : '\t'}label\n`
      for (let i = 0; i < ROWS; i++) {
        text += `${LINES[format](i)}\n`
        if (text.length > 65_536) {
          yield Buffer.from(text)
          text = ''
        }
      }
      yield Buffer.from(text)
    },
  }
}

it.each(['csv', 'tsv', 'jsonl'] as const)(
  'streams 1e6 rows of %s in bounded memory',
  async (format) => {
    globalThis.gc?.()
    const before = process.memoryUsage().rss
    let rows = 0
    let peak = 0
    for await (const row of readRows(millionRows(format))) {
      rows++
      if (rows % 50_000 === 0) {
        peak = Math.max(peak, process.memoryUsage().rss - before)
        expect(typeof row.cells.text).toBe('string')
      }
    }
    expect(rows).toBe(ROWS)
    expect(peak).toBeLessThan(300 * MIB)
  },
)

it('reads 1e6 labelled rows', async () => {
  const data = await readLabelled(millionRows('csv'))
  expect(data.examples).toHaveLength(ROWS)
  expect(data.classes).toHaveLength(77)
})
