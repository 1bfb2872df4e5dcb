import { type Command, InvalidArgumentError } from 'commander'
import type { AnswerWishes } from '../../../shared/head/answer-rules.ts'
import { EspalierError } from '../../../shared/lib/errors.ts'
import { numberBetween } from './parsers.ts'

/** One score for all labels, or scores by label. */
export type Thresholds = number | Readonly<Record<string, number>>

/** Options that say how classifiers answer. */
export interface AnswerOptions {
  readonly threshold?: Thresholds
  readonly minScore?: number
  readonly predictionSet?: number
  readonly setByLabel?: boolean
}

/** Adds the options of `AnswerOptions`. */
export function addAnswerOptions(command: Command): Command {
  return command
    .option(
      '--threshold <score>',
      "least score of a listed label, or of one label: label=0.4, once for each; default: the classifier's own",
      collectThresholds,
    )
    .option(
      '--min-score <score>',
      'answers below it, and those to inputs unlike the training data, are marked as abstained; default: the ' +
        "classifier's own, if it was trained with one",
      numberBetween(0, 1),
    )
    .option(
      '--prediction-set <coverage>',
      'add the labels that hold the true one with this probability, 0.5 to 0.999',
      numberBetween(0.5, 0.999),
    )
    .option('--set-by-label', 'hold that for the inputs of each label, and not only for all')
}

/** The options as wishes. @throws EspalierError `invalid_request` for options of no use */
export function answerWishes(options: AnswerOptions): AnswerWishes {
  const { threshold: thresholds, minScore, predictionSet, setByLabel: byLabel } = options
  if (predictionSet === undefined) {
    if (byLabel !== true) return { thresholds, minScore }
    const message = '--set-by-label is of use with --prediction-set only'
    throw new EspalierError('invalid_request', message)
  }
  return { thresholds, minScore, predictionSet: { coverage: predictionSet, byLabel } }
}

const parseScore = numberBetween(0, 1)

/** Parses `0.4`, or one more `label=0.4`; the last `=` counts. */
export function collectThresholds(value: string, before?: Thresholds): Thresholds {
  const at = value.lastIndexOf('=')
  if (at < 0) {
    if (typeof before === 'object') throw mixed()
    return parseScore(value)
  }
  if (typeof before === 'number') throw mixed()
  const label = value.slice(0, at)
  if (label === '') throw new InvalidArgumentError('A label stands before the "=".')
  // Labels may be called like members of objects.
  return Object.fromEntries([
    ...Object.entries(before ?? {}),
    [label, parseScore(value.slice(at + 1))],
  ])
}

function mixed(): InvalidArgumentError {
  return new InvalidArgumentError('Give one score for all labels, or scores of labels, not both.')
}
