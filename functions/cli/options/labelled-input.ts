import type { Command } from 'commander'
import type { LabelledOptions } from '../../../shared/dataset/labelled.ts'
import type { Progress } from '../../../shared/lib/logger.ts'
import type { Boot } from '../../boot/types.ts'
import { addInputOptions, type InputOptions } from './input.ts'

/** Options of every command that reads labelled rows. */
export interface LabelledInputOptions extends InputOptions {
  readonly labelColumn?: string
  readonly labelSeparator?: string
  readonly multiLabel?: boolean
}

/** A row may be this long at least, whatever the limit of a text. */
const MIN_ROW_BYTES = 4 << 20

/** Adds the options of `LabelledInputOptions`. */
export function addLabelledOptions(command: Command): Command {
  return addInputOptions(command)
    .option(
      '--label-column <name>',
      'column of the labels; default: label, category, intent, class, …',
    )
    .option(
      '--label-separator <text>',
      'splits a cell into several labels, such as "sport;news"; makes the classifier multi-label',
    )
    .option('--multi-label', 'repeated rows of a text give it several labels')
}

/** The options as the reader takes them, within the limits of the configuration. */
export function labelledReading(
  { config }: Pick<Boot, 'config'>,
  options: LabelledInputOptions,
  signal: AbortSignal,
  report?: Progress,
): LabelledOptions {
  const { header, textColumn, imageColumn, labelColumn, labelSeparator, multiLabel } = options
  const maxFieldBytes = config.maxTextBytes
  const limits = { maxFieldBytes, maxRowBytes: Math.max(4 * maxFieldBytes, MIN_ROW_BYTES) }
  const { maxImageBytes } = config
  const columns = { textColumn, imageColumn, labelColumn }
  return {
    ...{ header, ...columns, labelSeparator, multiLabel, maxImageBytes, limits, signal },
    ...(report && { onProgress: (rows: number) => report('reading', rows, 0) }),
  }
}
