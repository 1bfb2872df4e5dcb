import { extname } from 'node:path'
import type { Command } from 'commander'
import { openAtomicFile } from '../../../shared/dataset/atomic-file.ts'
import { streamSink } from '../../../shared/dataset/byte-sink.ts'
import { openNpyWriter } from '../../../shared/dataset/npy-file.ts'
import { readTexts, type TextOptions, type TextRow } from '../../../shared/dataset/texts.ts'
import type { DataSource } from '../../../shared/dataset/types.ts'
import { createJsonVectorWriter, type VectorWriter } from '../../../shared/dataset/vector-writer.ts'
import { type Precision, precisionSchema } from '../../../shared/lib/encoder-manifest.ts'
import { EspalierError } from '../../../shared/lib/errors.ts'
import type { Progress } from '../../../shared/lib/logger.ts'
import { findPrompt } from '../../../shared/service/embed.ts'
import { DEFAULT_BATCH_ROWS, embedRows } from '../../../shared/service/embed-rows.ts'
import type { CommandContext } from '../context.ts'
import { addInputOptions, type InputOptions, openInput } from '../input.ts'
import { nameList, oneOf, wholeNumber } from '../options.ts'

const OUTPUT_FORMATS = ['jsonl', 'npy'] as const
/** Names that every output line has of its own. */
const OWN_FIELDS = ['index', 'text', 'embedding']

interface EmbedOptions extends InputOptions {
  readonly skipEmpty?: boolean
  readonly output?: string
  readonly to?: (typeof OUTPUT_FORMATS)[number]
  readonly keep?: readonly string[]
  readonly text: boolean
  readonly model?: string
  readonly precision?: Precision
  readonly workers?: number
  readonly prompt?: string
  readonly truncate: boolean
  readonly truncationDirection: 'left' | 'right'
  readonly normalize: boolean
  readonly batch: number
  readonly quiet?: boolean
}

/** `espalier embed FILE|-` */
export function addEmbedCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('embed')
    .summary('embed the texts of a file')
    .description('Embed the texts of a CSV, TSV, JSONL or plain text file, or of stdin.')
    .argument('<file>', 'the file, or - for stdin')
  addInputOptions(command)
    .option('--skip-empty', 'leave out rows with an empty text instead of stopping')
    .option(
      '-o, --output <file>',
      'write here instead of stdout; the file appears when it is whole',
    )
    .option(
      '--to <format>',
      `${OUTPUT_FORMATS.join(' or ')}; default: by the output's extension`,
      oneOf(OUTPUT_FORMATS),
    )
    .option(
      '--keep <columns>',
      'copy these columns into each JSON line, separated by commas',
      nameList,
    )
    .option('--no-text', 'leave the text out of the JSON lines')
    .option('-m, --model <name>', 'encoder, by name or folder; default: ESPALIER_ENCODER')
    .option(
      '--precision <precision>',
      'int8, float32 or float16; default: ESPALIER_PRECISION',
      oneOf(precisionSchema.options),
    )
    .option('--workers <n>', 'worker threads; default: ESPALIER_WORKERS', wholeNumber(1, 256))
    .option(
      '--prompt <name>',
      "prompt of the encoder put before each text; default: the encoder's own",
    )
    .option('--no-truncate', 'stop at a text that is too long instead of cutting it')
    .option(
      '--truncation-direction <end>',
      'end that is cut away: left or right',
      oneOf(['left', 'right']),
      'right',
    )
    .option('--no-normalize', 'vectors as pooled, not scaled to length 1')
    .option(
      '--batch <rows>',
      'rows handed to the encoder at a time',
      wholeNumber(1, 65_536),
      DEFAULT_BATCH_ROWS,
    )
    .option('-q, --quiet', 'no progress and no summary on stderr')
    .addHelpText(
      'after',
      `
Examples:
  espalier embed reviews.csv --text-column review --output reviews.jsonl
  espalier embed questions.jsonl --keep id --no-text > vectors.jsonl
  espalier embed texts.txt --output texts.npy
  echo "A cat sleeps." | espalier embed - --format txt`,
    )
    .action((file: string, options: EmbedOptions) => embedFile(context, file, options))
}

async function embedFile(
  context: CommandContext,
  file: string,
  options: EmbedOptions,
): Promise<void> {
  const { signal, clock } = context
  checkOutput(options)
  const source = await openInput(context, file, options.format)
  const display = context.progress(options.quiet === true)
  try {
    const boot = await context.boot()
    const maxFieldBytes = boot.config.maxTextBytes
    const limits = { maxFieldBytes, maxRowBytes: Math.max(4 * maxFieldBytes, 4 << 20) }
    const { header, textColumn, skipEmpty, model, precision, workers } = options
    const reading: TextOptions = { header, textColumn, skipEmpty, limits, signal }
    const total = await countRows(source, reading, options.keep ?? [], display.report)
    const encoder = await boot.openEncoder({
      model,
      precision,
      workers,
      onProgress: display.report,
      signal,
    })
    try {
      const { info } = encoder
      const prompt = findPrompt(info, options.prompt)
      const writer = await openWriter(context, options, info.dimension)
      const startedMs = clock.monotonicMs()
      try {
        const result = await embedRows({
          encoder,
          rows: readTexts(source, reading),
          writer,
          source: source.name,
          batchRows: options.batch,
          encode: {
            truncate: options.truncate,
            truncationDirection: options.truncationDirection,
            normalize: options.normalize,
            prompt,
          },
          describe: (row) => describeRow(source, row, options),
          signal,
          onProgress: (rows) => display.report('embedding', rows, total),
        })
        if (result.rows === 0) {
          throw new EspalierError('invalid_data', `${source.name}: no rows to embed`)
        }
        await writer.commit()
        const seconds = ((clock.monotonicMs() - startedMs) / 1000).toFixed(1)
        const cut =
          result.truncated > 0 ? `, ${result.truncated} cut at ${info.maxTokens} tokens` : ''
        display.stop()
        display.note(
          `${result.rows} texts embedded in ${seconds} s (${result.tokens} tokens${cut}): ` +
            `${info.name}@v${info.version}, ${info.precision}, ${info.dimension} numbers each`,
        )
      } finally {
        await writer.discard()
      }
    } finally {
      await encoder.close()
    }
  } finally {
    display.stop()
  }
}

function checkOutput({ output, to, keep, text }: EmbedOptions): void {
  const npy = isNpy({ output, to })
  const fail = (message: string): never => {
    throw new EspalierError('invalid_request', message)
  }
  if (npy && output === undefined) fail('--to npy needs --output FILE: its header is written last')
  if (npy && (keep !== undefined || !text))
    fail('a .npy file holds vectors only; drop --keep and --no-text')
  const own = keep?.find((column) => OWN_FIELDS.includes(column))
  if (own !== undefined) fail(`--keep ${own}: each line has "${own}" of its own`)
}

function isNpy({ output, to }: { output?: string | undefined; to?: string | undefined }): boolean {
  return to === 'npy' || (to === undefined && extname(output ?? '').toLowerCase() === '.npy')
}

/**
 * Reads a file once before anything is computed: a fault in its last row shows at once, and progress has
 * a total. Returns 0 for what can be read only once.
 */
async function countRows(
  source: DataSource,
  reading: TextOptions,
  keep: readonly string[],
  report: Progress,
): Promise<number> {
  if (!source.repeatable) return 0
  let rows = 0
  for await (const { row } of readTexts(source, reading)) {
    if (rows === 0) checkKeep(source, row.columns, keep)
    if (++rows % 10_000 === 0) report('reading', rows, 0)
  }
  return rows
}

function checkKeep(source: DataSource, columns: readonly string[], keep: readonly string[]): void {
  const missing = keep.find((column) => !columns.includes(column))
  if (missing === undefined) return
  throw new EspalierError(
    'invalid_data',
    `${source.name}: no column "${missing}" to keep; the columns are ${columns.join(', ')}`,
  )
}

async function openWriter(
  context: CommandContext,
  { output, to }: EmbedOptions,
  dimension: number,
): Promise<VectorWriter> {
  if (output === undefined) return createJsonVectorWriter(streamSink(context.stdout))
  if (isNpy({ output, to })) return openNpyWriter(output, dimension)
  return createJsonVectorWriter(await openAtomicFile(output))
}

function describeRow(
  source: DataSource,
  { index, text, row }: TextRow,
  { keep = [], text: withText }: EmbedOptions,
): Record<string, unknown> {
  if (!source.repeatable) checkKeep(source, row.columns, keep)
  const kept = keep.map((column) => [column, row.cells[column] ?? null])
  return { index, ...(withText && { text }), ...Object.fromEntries(kept) }
}
