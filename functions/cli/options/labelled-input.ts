import type { Command } from 'commander'
import type { LabelledOptions } from '../../../shared/dataset/labelled.ts'
import { EspalierError } from '../../../shared/lib/errors.ts'
import type { Progress } from '../../../shared/lib/logger.ts'
import type { Boot } from '../../boot/types.ts'
import { addInputOptions, type InputOptions, rowReading } from './input.ts'
import { nameList } from './parsers.ts'

/** Options of every command that reads labelled rows. */
export interface LabelledInputOptions extends InputOptions {
  readonly labelColumn?: string
  readonly labelColumns?: readonly string[]
  readonly labelSeparator?: string
  readonly multiLabel?: boolean
  readonly groupColumn?: string
  readonly timeColumn?: string
}

/** Adds the options of `LabelledInputOptions`. */
export function addLabelledOptions(command: Command): Command {
  return addInputOptions(command)
    .option(
      '--label-column <name>',
      'column of the labels; default: label, category, intent, class, …',
    )
    .option(
      '--label-columns <names>',
      'a column for each label, separated by commas, with 1 where a row has the label and 0 where not; makes the ' +
        'classifier multi-label',
      nameList,
    )
    .option(
      '--label-separator <text>',
      'splits a cell into several labels, such as "sport;news"; makes the classifier multi-label',
    )
    .option('--multi-label', 'repeated rows of a text give it several labels')
}

/** The options as the reader takes them, within the limits of the configuration. */
export function labelledReading(
  boot: Pick<Boot, 'config'>,
  options: LabelledInputOptions,
  {
    report,
    ...reading
  }: Pick<LabelledOptions, 'signal' | 'onNote'> & {
    readonly report?: Progress
  },
): LabelledOptions {
  const { labelColumn, labelColumns, labelSeparator, multiLabel } = options
  const { groupColumn, timeColumn } = options
  const more = [labelColumn, labelSeparator].some((each) => each !== undefined)
  if (labelColumns !== undefined && more) {
    const message = '--label-columns takes the place of --label-column and --label-separator'
    throw new EspalierError('invalid_request', message)
  }
  return {
    ...rowReading(boot, options, reading),
    ...{ labelColumn, labelColumns, labelSeparator, multiLabel, groupColumn, timeColumn },
    ...(report && { onProgress: (rows: number) => report('reading', rows, 0) }),
  }
}
