import { readRowsToCompare } from '../../../../shared/dataset/rows-to-compare.ts'
import { EspalierError } from '../../../../shared/lib/errors.ts'
import type { Boot } from '../../../boot/types.ts'
import type { CommandContext } from '../../context.ts'
import { type InputOptions, openInput } from '../../options/input.ts'
import { type EncoderOptions, openHeadParts } from '../../options/job-parts.ts'
import { labelledReading } from '../../options/labelled-input.ts'
import { type TextReadingOptions, textReading } from '../../options/text-reading.ts'
import { noteReading } from '../../output/progress.ts'
import { formatResult, toJson } from './print.ts'

/** The options of `espalier compare`. */
export interface CompareOptions extends InputOptions, EncoderOptions, TextReadingOptions {
  readonly labelColumn?: string
  readonly labelColumns?: readonly string[]
  readonly labelSeparator?: string
  readonly top: number
  readonly json?: boolean
  readonly quiet?: boolean
}

const SEED = 42

/** Compares two versions on the rows of a file. */
export async function compareOnFile(
  context: CommandContext,
  asked: { model: string; before: string; after: string; data: string },
  options: CompareOptions,
): Promise<void> {
  const { signal } = context
  const boot = await context.boot()
  const display = context.progress(options.quiet === true)
  try {
    const source = await openInput(context, asked.data, options.format)
    const [before, after] = [`${asked.model}@${asked.before}`, `${asked.model}@${asked.after}`]
    const data = await readRowsToCompare(source, {
      ...labelledReading(boot, options, { signal, onNote: noteReading(display) }),
      joinedColumns: await recallBoth(boot, [before, after], options, signal),
    })
    const { compareVersions } = await import('../../../../shared/jobs/evaluate/compare-versions.ts')
    const parts = await openHeadParts(boot, before, data.modality, options, signal)
    const result = await compareVersions(parts, {
      before,
      after,
      data,
      source: source.name,
      top: options.top,
      seed: SEED,
      chooseReading: (own) => textReading(options, own),
      onProgress: display.report,
      signal,
    })
    display.stop()
    for (const { message } of result.warnings) display.note(`warning: ${message}`)
    await context.print(
      options.json === true ? JSON.stringify(toJson(result), null, 2) : formatResult(result),
    )
  } finally {
    display.stop()
  }
}

/** The columns that both versions read joined; they must agree where none is named. */
async function recallBoth(
  boot: Boot,
  addresses: readonly [string, string],
  { textColumn, imageColumn }: CompareOptions,
  signal: AbortSignal,
): Promise<readonly string[] | undefined> {
  if (textColumn !== undefined || imageColumn !== undefined) return undefined
  const { recallColumns } = await import('../../../../shared/versions/head-version.ts')
  const registry = await boot.openRegistry()
  const [before, after] = [
    await recallColumns(registry, addresses[0], signal),
    await recallColumns(registry, addresses[1], signal),
  ]
  if (before?.join() === after?.join()) return before
  const told = [before, after].map((columns) => columns?.join(',') ?? 'one column')
  throw new EspalierError(
    'invalid_request',
    `${addresses[0]} was trained on ${told[0]}, ${addresses[1]} on ${told[1]}; say what both are to read, with --text-column`,
  )
}
