import type { Command } from 'commander'
import { openFileSource, streamSource } from '../../../shared/dataset/source.ts'
import { DATA_FORMATS, type DataFormat, type DataSource } from '../../../shared/dataset/types.ts'
import { EspalierError } from '../../../shared/lib/errors.ts'
import type { CommandContext } from '../context.ts'
import { oneOf } from './parsers.ts'

/** Options of every command that reads rows. */
export interface InputOptions {
  readonly format?: DataFormat
  readonly header: boolean
  readonly textColumn?: string
  readonly imageColumn?: string
}

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
      '--text-column <name>',
      'column of the texts; default: text, sentence, utterance, query, …',
    )
    .option('--no-header', 'CSV or TSV without a header row; columns are then named 1, 2, …')
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
