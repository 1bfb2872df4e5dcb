import { option, say } from '../../lib/wording.ts'
import { dataError, findLongField, formatBytes } from '../data-error.ts'
import type { DataRow, DataSource, RowLimits, RowOptions } from '../types.ts'
import { nameColumns, type OnBadRow } from './delimited.ts'
import { toIsoDate } from './parquet.ts'
import { openRandomAccess } from './random-access.ts'

/** A workbook is read into memory: bounds of the file, of what it unpacks to, and of the cells of a sheet. */
const MAX_FILE_BYTES = 128 << 20
const MAX_XML_BYTES = 256 << 20
const MAX_CELLS = 20_000_000
const SAVE_AS_CSV =
  'in Excel: File, Save As, "CSV UTF-8 (Comma delimited) (*.csv)"; in LibreOffice: File, Save As, "Text CSV", UTF-8'

/** How a sheet is read. */
export interface WorkbookOptions extends Pick<RowOptions, 'onNote' | 'sheet'> {
  readonly header: boolean
  readonly limits: RowLimits
  readonly signal?: AbortSignal | undefined
}

/**
 * Rows of a sheet of an Excel workbook (.xlsx): the first, or the one that is named; the line of a row is its number
 * in the sheet. Cells are texts as a CSV file would have them, dates in ISO 8601.
 * @throws EspalierError `invalid_data` where it is no workbook, too large, or has no such sheet
 */
export async function* readWorkbook(
  source: DataSource,
  { header, limits, signal, sheet, onNote }: WorkbookOptions,
  onBad?: OnBadRow,
): AsyncGenerator<DataRow> {
  const { name } = source
  const files = await unpack(source, signal)
  const sheets = listSheets(files)
  const at = sheet === undefined ? 0 : findSheet(name, sheets, sheet)
  if (sheet === undefined && sheets.length > 1) {
    onNote?.(
      say`${name}: read sheet "${sheets[0]!}", the first of ${sheets.length}; another is named with ${option('sheet')}`,
    )
  }
  const rows = await parseSheet(name, files, at + 1)
  let columns: readonly string[] | null = null
  for (const [index, row] of rows.entries()) {
    const line = index + 1
    const values = row.map(toText)
    if (values.every((value) => value === '')) continue
    if (columns === null) {
      const isNamed = header
      columns = isNamed ? nameColumns(name, line, values) : values.map((_, i) => String(i + 1))
      if (isNamed) continue
    }
    const cells: Record<string, unknown> = Object.create(null)
    let fault: string | null = null
    for (const [i, column] of columns.entries()) {
      const value = values[i] ?? ''
      fault ??= findLongField(column, value, limits)
      cells[column] = value
    }
    if (fault === null) yield { line, columns, cells }
    else if (onBad === undefined) throw dataError(name, line, fault)
    else onBad(line, fault)
  }
}

type Files = Readonly<Record<string, Uint8Array>>

/** The parts of a workbook that say what its cells hold; nothing is unpacked beyond the size that is allowed. */
async function unpack(source: DataSource, signal: AbortSignal | undefined): Promise<Files> {
  const { name } = source
  const access = await openRandomAccess(source, signal)
  try {
    const { byteLength } = access
    if (byteLength > MAX_FILE_BYTES) {
      const limit = `the workbook is larger than ${formatBytes(MAX_FILE_BYTES)}`
      throw dataError(name, null, `${limit}; save the sheet as CSV (${SAVE_AS_CSV})`)
    }
    const bytes = new Uint8Array(await access.read(0, byteLength))
    if (bytes[0] === 0xd0 && bytes[1] === 0xcf) {
      const what = 'this is a workbook of an old Excel (.xls), or one with a password'
      throw dataError(name, null, `${what}; save the sheet as CSV (${SAVE_AS_CSV})`)
    }
    const { unzipSync } = await import('fflate')
    let unpacked = 0
    let isLarge = false
    const files = ((): Files => {
      try {
        return unzipSync(bytes, {
          filter({ name: path, originalSize }) {
            if (!/\.xml(?:\.rels)?$/.test(path)) return false
            unpacked += originalSize
            isLarge ||= unpacked > MAX_XML_BYTES
            return !isLarge
          },
        })
      } catch (cause) {
        const fix = `save the sheet as CSV (${SAVE_AS_CSV})`
        throw dataError(
          name,
          null,
          `this is no workbook of Excel (.xlsx), or damaged; ${fix}`,
          cause,
        )
      }
    })()
    if (isLarge) {
      const limit = `the workbook unpacks to more than ${formatBytes(MAX_XML_BYTES)}`
      throw dataError(name, null, `${limit}; save the sheet as CSV (${SAVE_AS_CSV})`)
    }
    return files
  } finally {
    await access.close()
  }
}

/** The names of the sheets, in their order. */
function listSheets(files: Files): string[] {
  const xml = Buffer.from(files['xl/workbook.xml'] ?? []).toString('utf8')
  return [...xml.matchAll(/<(?:\w+:)?sheet\s[^>]*?\bname="([^"]*)"/g)].map(([, name]) =>
    name!
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&quot;', '"')
      .replaceAll('&apos;', "'")
      .replaceAll('&amp;', '&'),
  )
}

function findSheet(name: string, sheets: readonly string[], asked: string): number {
  const at = sheets.indexOf(asked)
  if (at >= 0) return at
  const number = /^\d{1,4}$/.test(asked) ? Number(asked) : 0
  if (number >= 1 && number <= sheets.length) return number - 1
  const listed = sheets.slice(0, 20).map((sheet) => `"${sheet}"`)
  throw dataError(name, null, `no sheet "${asked}"; the sheets are ${listed.join(', ')}`)
}

async function parseSheet(name: string, files: Files, sheet: number) {
  checkCells(name, files)
  const [{ readSheet }, { zipSync }] = await Promise.all([
    import('read-excel-file/universal'),
    import('fflate'),
  ])
  // What was unpacked within bounds is handed on unpacked, so that nothing is unpacked a second time.
  const archive = zipSync({ ...files }, { level: 0 })
  try {
    return await readSheet(archive.slice().buffer, sheet, { trim: false })
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    const fix = `save the sheet as CSV (${SAVE_AS_CSV})`
    throw dataError(name, null, `the workbook cannot be read (${why}); ${fix}`, cause)
  }
}

/** A sheet becomes a table as large as its last row and column, however few of its cells are filled. */
function checkCells(name: string, files: Files): void {
  for (const [path, bytes] of Object.entries(files)) {
    if (!path.startsWith('xl/worksheets/')) continue
    let [rows, columns] = [0, 0]
    const xml = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
    for (const [, letters, number] of xml.matchAll(/\br="([A-Z]{1,3})(\d{1,7})"/g)) {
      rows = Math.max(rows, Number(number))
      let column = 0
      for (const letter of letters!) column = column * 26 + letter.charCodeAt(0) - 64
      columns = Math.max(columns, column)
    }
    if (rows * columns <= MAX_CELLS) continue
    const size = `a sheet reaches to row ${rows} and column ${columns}`
    const fix = `delete what lies far out, or save the sheet as CSV (${SAVE_AS_CSV})`
    throw dataError(name, null, `${size}, more than ${MAX_CELLS} cells; ${fix}`)
  }
}

/** A cell as a CSV file has it. */
function toText(value: unknown): string {
  if (value === null || value === undefined) return ''
  return value instanceof Date ? toIsoDate(value) : String(value)
}
