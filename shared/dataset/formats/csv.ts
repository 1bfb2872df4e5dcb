import { pipeline, Readable } from 'node:stream'
import { type CsvError, type Options, Parser } from 'csv-parse'
import { dataError, formatBytes } from '../data-error.ts'
import type { DelimitedRecord, RowLimits } from '../types.ts'

interface RawRecord {
  readonly record: string[]
  /** The record's bytes; of a CRLF at its end only the CR. */
  readonly raw: string
}

/**
 * Reads RFC 4180 records, whatever separates their fields; lines end in CRLF, LF or CR. Blank lines are skipped.
 * @throws EspalierError `invalid_data` naming the line on which a wrong quote was opened
 */
export async function* readCsvRecords(
  name: string,
  chunks: AsyncIterable<Buffer>,
  delimiter: string,
  limits: RowLimits,
): AsyncGenerator<DelimitedRecord> {
  let line = 1
  const options: Options<DelimitedRecord, RawRecord> = {
    delimiter,
    record_delimiter: ['\r\n', '\n', '\r'],
    relax_column_count: true,
    max_record_size: limits.maxRowBytes,
    raw: true,
    // Lines are counted here, not by the reader, because an error overtakes the records queued before it.
    on_record: ({ record, raw }) => {
      const start = line
      line += 1 + countNewlines(raw, raw.length - 1)
      return { line: start, values: record }
    },
  }
  // The declared constructor knows arrays of strings only; `raw` and `on_record` change the shape.
  const parser = new Parser(options as unknown as Options)
  const source = Readable.from(chunks, { objectMode: true })
  // Errors reach us through the iteration of the parser.
  pipeline(source, parser, () => {})
  try {
    for await (const row of parser as AsyncIterable<DelimitedRecord>) {
      if (row.values.length > 1 || row.values[0] !== '') yield row
    }
  } catch (error) {
    throw isCsvError(error) ? explainCsvError(name, error, line, limits) : error
  } finally {
    source.destroy()
  }
}

function isCsvError(error: unknown): error is CsvError {
  return error instanceof Error && 'raw' in error && 'code' in error
}

function explainCsvError(name: string, error: CsvError, start: number, limits: RowLimits) {
  const raw = String(error.raw)
  const opened = start + countNewlines(raw, findLastOpening(raw))
  const quoted = isInsideQuotes(raw)
  switch (String(error.code)) {
    case 'CSV_QUOTE_NOT_CLOSED':
      return dataError(name, opened, 'the quote opened here is never closed', error)
    case 'CSV_MAX_RECORD_SIZE': {
      const limit = formatBytes(limits.maxRowBytes)
      return quoted
        ? dataError(name, opened, `the quote opened here is not closed within ${limit}`, error)
        : dataError(name, start, `the row is longer than ${limit}`, error)
    }
    case 'CSV_INVALID_CLOSING_QUOTE': {
      const closed = start + countNewlines(raw, raw.length)
      const where = closed === opened ? '' : ` (on line ${closed})`
      return dataError(
        name,
        opened,
        `the quote opened here is followed by text after it closes${where}; ` +
          'is a closing quote missing? Quotes inside a quoted field are doubled ("")',
        error,
      )
    }
    case 'INVALID_OPENING_QUOTE':
      return dataError(
        name,
        start + countNewlines(raw, raw.length),
        'a quote inside an unquoted field; quote the whole field and double the quotes in it',
        error,
      )
    default:
      return dataError(name, start, error.message, error)
  }
}

/** Position of the last quote that opens a field: quotes at odd places open, the others close or escape. */
function findLastOpening(raw: string): number {
  let opening = 0
  let count = 0
  for (let at = raw.indexOf('"'); at !== -1; at = raw.indexOf('"', at + 1)) {
    // A doubled quote inside a field closes and opens again at once; that is no new opening.
    if (count % 2 === 0 && raw[at - 1] !== '"') opening = at
    count++
  }
  return opening
}

function isInsideQuotes(raw: string): boolean {
  let inside = false
  for (let at = raw.indexOf('"'); at !== -1; at = raw.indexOf('"', at + 1)) inside = !inside
  return inside
}

function countNewlines(text: string, end: number): number {
  let count = 0
  for (let at = text.indexOf('\n'); at !== -1 && at < end; at = text.indexOf('\n', at + 1)) count++
  return count
}
