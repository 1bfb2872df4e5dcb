import { extname } from 'node:path'
import { openNpyWriter } from '../../../../shared/dataset/arrays/npy-file.ts'
import {
  createJsonVectorWriter,
  type VectorWriter,
} from '../../../../shared/dataset/arrays/vector-writer.ts'
import { openAtomicFile } from '../../../../shared/dataset/atomic-file.ts'
import { streamSink } from '../../../../shared/dataset/byte-sink.ts'
import { noRows } from '../../../../shared/dataset/labelled.ts'
import {
  findModality,
  readTexts,
  type TextOptions,
  type TextRow,
} from '../../../../shared/dataset/texts.ts'
import type { DataSource } from '../../../../shared/dataset/types.ts'
import { findPrompt } from '../../../../shared/encoder/prompts.ts'
import { encodeAs } from '../../../../shared/head/head.ts'
import { embedRows } from '../../../../shared/jobs/rows/embed-rows.ts'
import { EspalierError } from '../../../../shared/lib/errors.ts'
import type { Progress } from '../../../../shared/lib/logger.ts'
import type { CommandContext } from '../../context.ts'
import { openInput, rowReading } from '../../options/input.ts'
import { encoderFor } from '../../options/job-parts.ts'
import { textReading } from '../../options/text-reading.ts'
import { noteReading, type ProgressDisplay } from '../../output/progress.ts'
import type { EmbedOptions } from './options.ts'

/** Names that every output line has of its own. */
const OWN_FIELDS = ['index', 'text', 'image', 'embedding']

/** Everything that can be wrong with the command, its input and its output shows before the encoder is opened. */
export async function embedFile(
  context: CommandContext,
  file: string,
  options: EmbedOptions,
): Promise<void> {
  const { signal } = context
  checkOutput(options)
  const boot = await context.boot()
  const source = await openInput(context, file, options.format)
  const display = context.progress(options.quiet === true)
  try {
    const { skipEmpty, precision, workers } = options
    const onNote = noteReading(display)
    const reading: TextOptions = { ...rowReading(boot, options, { signal, onNote }), skipEmpty }
    const modality = await findModality(source, reading)
    const { encoder: model } = encoderFor(options, modality)
    const total = await countRows(source, reading, options.keep ?? [], display.report)
    const writer = await openWriter(context, options)
    try {
      const encoder = await boot.openEncoder({
        model,
        precision,
        workers,
        onProgress: display.report,
        signal,
      })
      try {
        const work = { source, modality, reading, total, writer, encoder, display }
        const summary = await embedSource(context, options, work)
        await writer.commit()
        display.stop()
        display.note(summary)
      } finally {
        // Closing may wait for a worker that hangs, until the process is killed.
        await writer.discard()
        await encoder.close()
      }
    } finally {
      await writer.discard()
    }
  } finally {
    display.stop()
  }
}

interface EmbedWork {
  readonly source: DataSource
  readonly modality: 'text' | 'image'
  readonly reading: TextOptions
  /** Rows to come, 0 where that is not known. */
  readonly total: number
  readonly writer: VectorWriter
  readonly encoder: Parameters<typeof embedRows>[0]['encoder']
  readonly display: ProgressDisplay
}

/** Embeds and writes every row; returns the line that says what was done. */
async function embedSource(
  { clock, signal }: CommandContext,
  options: EmbedOptions,
  { source, modality, reading, total, writer, encoder, display }: EmbedWork,
): Promise<string> {
  const { info } = encoder
  const { truncate, normalize } = options
  const startedMs = clock.monotonicMs()
  const { rows, tokens, truncated, warnings } = await embedRows({
    encoder,
    rows: readTexts(source, reading),
    writer,
    source: source.name,
    batchRows: options.batch,
    encode: {
      ...encodeAs(textReading(options)),
      truncate,
      normalize,
      prompt: findPrompt(info, options.prompt),
    },
    describe: (row) => describeRow(source, row, options),
    // Rows of a .npy file have nothing but their number to be known by.
    strict: isNpy(options),
    signal,
    onProgress: (done) => display.report('embedding', done, total),
  })
  for (const { message } of warnings) display.note(`warning: ${message}`)
  if (rows === 0) throw noRows(source, ' to embed')
  const seconds = ((clock.monotonicMs() - startedMs) / 1000).toFixed(1)
  const cut = truncated > 0 ? `, ${truncated} cut at ${info.maxTokens} tokens` : ''
  const noun = modality === 'image' ? 'image' : 'text'
  return (
    `${rows} ${rows === 1 ? noun : `${noun}s`} embedded in ${seconds} s (${tokens} tokens${cut}): ` +
    `${info.name}@v${info.version}, ${info.precision}, ${info.dimension} dimensions`
  )
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
  if (rows === 0) throw noRows(source, ' to embed')
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
): Promise<VectorWriter> {
  if (output === undefined) return createJsonVectorWriter(streamSink(context.stdout))
  if (isNpy({ output, to })) return openNpyWriter(output)
  return createJsonVectorWriter(await openAtomicFile(output))
}

function describeRow(
  source: DataSource,
  { index, text, row, image }: TextRow,
  { keep = [], text: withText }: EmbedOptions,
): Record<string, unknown> {
  if (!source.repeatable) checkKeep(source, row.columns, keep)
  const kept = keep.map((column) => [column, row.cells[column] ?? null])
  const input = image === undefined ? { text } : { image: text }
  return { index, ...(withText && input), ...Object.fromEntries(kept) }
}
