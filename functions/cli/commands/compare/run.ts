import { readRowsToCompare } from '../../../../shared/dataset/rows-to-compare.ts'
import type { CommandContext } from '../../context.ts'
import { type InputOptions, openInput } from '../../options/input.ts'
import { type EncoderOptions, openHeadParts } from '../../options/job-parts.ts'
import { labelledReading } from '../../options/labelled-input.ts'
import { noteReading } from '../../output/progress.ts'
import { formatResult, toJson } from './print.ts'

/** The options of `espalier compare`. */
export interface CompareOptions extends InputOptions, EncoderOptions {
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
    const data = await readRowsToCompare(
      source,
      labelledReading(boot, options, { signal, onNote: noteReading(display) }),
    )
    const { compareVersions } = await import('../../../../shared/jobs/evaluate/compare-versions.ts')
    const [before, after] = [`${asked.model}@${asked.before}`, `${asked.model}@${asked.after}`]
    const parts = await openHeadParts(boot, before, data.modality, options, signal)
    const result = await compareVersions(parts, {
      before,
      after,
      data,
      source: source.name,
      top: options.top,
      seed: SEED,
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
