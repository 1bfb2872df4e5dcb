import { type Command, InvalidArgumentError } from 'commander'
import { DELIMITER_WORDS } from '../../../shared/dataset/formats/delimiter.ts'
import { checkEncoding } from '../../../shared/dataset/formats/encodings.ts'
import { openFileSource, streamSource } from '../../../shared/dataset/source.ts'
import type { TextOptions } from '../../../shared/dataset/texts.ts'
import {
  DATA_FORMATS,
  type DataFormat,
  type DataSource,
  type RowOptions,
} from '../../../shared/dataset/types.ts'
import { EspalierError } from '../../../shared/lib/errors.ts'
import { print } from '../../../shared/lib/wording.ts'
import type { Boot } from '../../boot/types.ts'
import type { CommandContext } from '../context.ts'
import { oneOf } from './parsers.ts'

/** Options of every command that reads rows. */
export interface InputOptions {
  readonly format?: DataFormat
  readonly header: boolean
  readonly delimiter?: string
  readonly encoding?: string
  readonly sheet?: string
  readonly textColumn?: string
  readonly imageColumn?: string
}

/** A row may be this long at least, whatever the limit of a text. */
const MIN_ROW_BYTES = 4 << 20

/** Adds the options of `InputOptions`. */
export function addInputOptions(command: Command): Command {
  return addTextInputOptions(command).option(
    '--image-column <name>',
    'column of paths of images, relative to the file; default: image, picture, path, file, … where there is no column of texts',
  )
}

/** The same for a command that reads texts alone. */
export function addTextInputOptions(command: Command): Command {
  return command
    .option(
      '--format <format>',
      `${DATA_FORMATS.join(', ')}; default: by the file's extension`,
      oneOf(DATA_FORMATS),
    )
    .option(
      '--text-column <names>',
      'column of the texts, or several, separated by commas, whose texts are joined; default: text, sentence, ' +
        'utterance, query, …',
    )
    .option(
      '--no-header',
      'CSV, TSV or a sheet without a header row; columns are then named 1, 2, …',
    )
    .option(
      '--delimiter <character>',
      `what separates the fields of CSV: ${Object.keys(DELIMITER_WORDS).join(', ')} or the character itself; ` +
        'default: told from the first rows',
      delimiterCharacter,
    )
    .option(
      '--encoding <name>',
      'of files of text: utf-8, utf-16le, windows-1252, shift_jis, …; default: told from the bytes',
      encodingName,
    )
    .option('--sheet <name>', 'sheet of a workbook, by its name or number; default: the first')
}

function delimiterCharacter(value: string): string {
  const delimiter = value === '\\t' ? '\t' : (DELIMITER_WORDS[value] ?? value)
  if (Buffer.byteLength(delimiter) === 1 && !/["\r\n\0]/.test(delimiter)) return delimiter
  const words = Object.keys(DELIMITER_WORDS).join(', ')
  throw new InvalidArgumentError(`It must be ${words}, or one character that is no quote.`)
}

function encodingName(value: string): string {
  try {
    checkEncoding(value)
    return value
  } catch (error) {
    throw new InvalidArgumentError(error instanceof EspalierError ? print(error.wording) : '')
  }
}

/** How rows are read, within the limits of the configuration. */
export function rowReading(
  { config }: Pick<Boot, 'config'>,
  { header, delimiter, encoding, sheet, textColumn, imageColumn }: InputOptions,
  { signal, onNote }: Pick<RowOptions, 'signal' | 'onNote'>,
): TextOptions {
  const maxFieldBytes = config.maxTextBytes
  const limits = { maxFieldBytes, maxRowBytes: Math.max(4 * maxFieldBytes, MIN_ROW_BYTES) }
  const { maxImageBytes } = config
  const given = { header, delimiter, encoding, sheet, textColumn, imageColumn }
  return { ...given, maxImageBytes, limits, signal, onNote }
}

/**
 * The rows that a command's argument means: a file, an object `s3://bucket/key`, a folder of images, or `-` for stdin.
 * @throws EspalierError `invalid_request` where the format is not known, `invalid_data` where there is no file
 */
export async function openInput(
  context: CommandContext,
  file: string,
  format?: DataFormat | undefined,
): Promise<DataSource> {
  if (file.startsWith('s3://')) return openObject(context, file, format)
  if (file !== '-') return openFileSource(file, format)
  if (format !== undefined) return streamSource('stdin', context.stdin, format)
  throw new EspalierError(
    'invalid_request',
    `stdin: say what comes in, with --format ${DATA_FORMATS.join('|')}`,
  )
}

async function openObject(
  context: CommandContext,
  url: string,
  format: DataFormat | undefined,
): Promise<DataSource> {
  const boot = await context.boot()
  const place = await boot.openBulkPlace(url, format)
  const [file, ...others] = await place.list(context.signal)
  // The URL without its query: what stands there may be long.
  const name = url.split('?')[0]!
  if (file === undefined)
    throw new EspalierError('invalid_data', `${name}: there is no such object`)
  if (others.length === 0) return place.open(file)
  throw new EspalierError(
    'invalid_data',
    `${name} has ${others.length + 1} objects below it, such as ${file.name}; name one`,
  )
}
