import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname, extname } from 'node:path'
import { addAbortSignal, type Readable } from 'node:stream'
import { EspalierError } from '../lib/errors.ts'
import { option, say } from '../lib/wording.ts'
import { dataError } from './data-error.ts'
import { imageFolderSource } from './image-source.ts'
import { DATA_FORMATS, type DataFormat, type DataSource } from './types.ts'

const READ_CHUNK_BYTES = 256 * 1024

const EXTENSIONS: Readonly<Record<string, DataFormat>> = {
  '.csv': 'csv',
  '.tsv': 'tsv',
  '.tab': 'tsv',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.txt': 'txt',
  '.parquet': 'parquet',
  '.pq': 'parquet',
  '.xlsx': 'xlsx',
  '.xlsm': 'xlsx',
}
/** Extensions of files of rows. */
export const ROW_EXTENSIONS: readonly string[] = Object.keys(EXTENSIONS)
/** Workbooks that are not read. */
const OTHER_WORKBOOKS: Readonly<Record<string, string>> = {
  '.xls': 'an old Excel workbook',
  '.xlsb': 'a binary Excel workbook',
  '.ods': 'an OpenDocument spreadsheet',
}

/**
 * The format that a name's extension means.
 * @throws EspalierError `invalid_request` where the extension says nothing
 */
export function formatFromName(name: string): DataFormat {
  const extension = extname(name).toLowerCase()
  const format = EXTENSIONS[extension]
  if (format !== undefined) return format
  if (extension === '.json') {
    throw new EspalierError(
      'invalid_request',
      `${name}: a JSON document is not read; write one object a line, e.g. jq -c '.[]' IN > OUT.jsonl`,
      { param: name },
    )
  }
  const workbook = OTHER_WORKBOOKS[extension]
  if (workbook !== undefined) {
    throw new EspalierError(
      'invalid_request',
      `${name}: ${workbook} is not read; save it as .xlsx or as CSV (File, Save As, "CSV UTF-8")`,
      { param: name },
    )
  }
  throw new EspalierError(
    'invalid_request',
    say`${name}: the name does not say the format; pass ${option('format', DATA_FORMATS.join('|'))}`,
    { param: name },
  )
}

/**
 * A file to read rows from, or a folder of images.
 * @throws EspalierError `invalid_data` where there is no such file, `invalid_request` where its format is unknown
 */
export async function openFileSource(path: string, format?: DataFormat): Promise<DataSource> {
  const info = await stat(path).catch((cause: unknown) => {
    throw dataError(path, null, explainOpenFailure(cause), cause)
  })
  if (info.isDirectory()) return imageFolderSource(path, path)
  return {
    name: path,
    format: format ?? formatFromName(path),
    // A pipe such as /dev/stdin or <(…) can be read only once.
    repeatable: info.isFile(),
    ...(info.isFile() && { path }),
    folder: dirname(path),
    open: (signal) => readFileChunks(path, path, signal),
  }
}

/**
 * The bytes of a file.
 * @throws EspalierError `invalid_data` where it cannot be read; messages call it `name`
 */
export function readFileChunks(
  name: string,
  path: string,
  signal?: AbortSignal,
): AsyncIterable<Uint8Array> {
  const options = { highWaterMark: READ_CHUNK_BYTES, ...(signal && { signal }) }
  return guardRead(name, createReadStream(path, options))
}

/** Rows from an open stream, such as stdin; it can be read once. */
export function streamSource(name: string, stream: Readable, format: DataFormat): DataSource {
  return {
    name,
    format,
    repeatable: false,
    open: (signal) =>
      guardRead(name, signal === undefined ? stream : addAbortSignal(signal, stream)),
  }
}

async function* guardRead(name: string, stream: Readable): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of stream) {
      yield typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Uint8Array)
    }
  } catch (cause) {
    if (cause instanceof Error && cause.name === 'AbortError') throw cause
    throw dataError(name, null, explainOpenFailure(cause), cause)
  }
}

function explainOpenFailure(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  if (code === 'ENOENT') return 'no such file'
  if (code === 'EACCES' || code === 'EPERM') return 'not readable: permission denied'
  return `cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`
}
