import type { Command } from 'commander'
import { isSameReading, type TextReading, USUAL_READING } from '../../../shared/head/head.ts'
import { oneOf } from './parsers.ts'

/** Options of every command that says how texts are read that are longer than the encoder reads. */
export interface TextReadingOptions {
  readonly truncationDirection?: 'left' | 'right'
  readonly windows?: 'mean' | 'max' | 'none'
}

/** Adds the options of `TextReadingOptions`; `standard` is what holds where they are left out. */
export function addTextReadingOptions(command: Command, standard: string): Command {
  return command
    .option(
      '--truncation-direction <end>',
      `end of long texts that is cut away: left or right; default: ${standard}`,
      oneOf(['left', 'right']),
    )
    .option(
      '--windows <rule>',
      'read long texts in windows of what the encoder reads instead of cutting them, and take of their vectors the ' +
        `mean, weighted by tokens, or the max of each dimension; none cuts; default: ${
          standard === 'right' ? 'none' : standard
        }`,
      oneOf(['mean', 'max', 'none']),
    )
}

/** The reading that the options ask for where the classifier has one of its own; undefined for that, or the usual one. */
export function textReading(
  { truncationDirection, windows }: TextReadingOptions,
  own?: TextReading | undefined,
): TextReading | undefined {
  const { truncationDirection: end, windows: rule } = own ?? USUAL_READING
  const reading = {
    truncationDirection: truncationDirection ?? end,
    windows: windows === undefined ? rule : windows === 'none' ? null : windows,
  }
  return isSameReading(reading, own) ? own : reading
}
