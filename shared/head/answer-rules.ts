import { EspalierError } from '../lib/errors.ts'
import type { AnswerFacts } from './answers.ts'
import type { Head } from './head.ts'
import {
  LEAST_COVERAGE,
  MOST_COVERAGE,
  ruleOfSets,
  type SetRule,
  type SetWish,
} from './prediction-sets.ts'

/** Labels and models that a message lists. */
const MAX_NAMED = 5

/** How a request wants its answers. */
export interface AnswerWishes {
  /** Score that every label must reach, instead of the head's own. */
  readonly threshold?: number | undefined
  /** The same for some labels, before it; a number means all of them. */
  readonly thresholds?: number | Readonly<Record<string, number>> | undefined
  /** Score from which an answer is given, instead of the version's own. */
  readonly minScore?: number | undefined
  readonly predictionSet?: SetWish | undefined
}

/** How one head answers. */
export interface AnswerRules {
  /** Score that every label must reach. */
  readonly threshold?: number | undefined
  /** Scores that labels must reach, in the order of the head's labels. */
  readonly thresholds?: readonly number[] | undefined
  /** Answers below it, or unlike the training data, are abstained from; none where it is left out. */
  readonly minScore?: number | undefined
  readonly set?: SetRule | undefined
}

/** A classifier that is asked. */
export interface AskedHead {
  /** `name@v1`. */
  readonly model: string
  readonly head: Head
  readonly answers: AnswerFacts
}

/**
 * Checks the numbers of wishes, which need not have come through a schema.
 * @throws EspalierError `invalid_request` naming the field
 */
export function checkWishes(wishes: AnswerWishes): void {
  const { threshold, thresholds, minScore, predictionSet } = wishes
  checkNumber('threshold', threshold, 0, 1)
  checkNumber('min_score', minScore, 0, 1)
  if (typeof thresholds === 'object') {
    for (const [label, value] of Object.entries(thresholds)) {
      checkNumber(`thresholds.${label.slice(0, 80)}`, value, 0, 1)
    }
  } else checkNumber('thresholds', thresholds, 0, 1)
  if (predictionSet === undefined) return
  checkNumber('prediction_set.coverage', predictionSet.coverage, LEAST_COVERAGE, MOST_COVERAGE)
}

/**
 * What wishes mean for each of the classifiers that they are for.
 * @throws EspalierError `invalid_request` for numbers that are none, `unsupported_answer` for labels that none of them
 * has and for what a head cannot answer
 */
export function settleRules(asked: readonly AskedHead[], wishes: AnswerWishes): AnswerRules[] {
  checkWishes(wishes)
  if (typeof wishes.thresholds === 'object') checkLabels(asked, wishes.thresholds)
  return asked.map((each) => ruleOf(each, wishes))
}

function ruleOf(asked: AskedHead, wishes: AnswerWishes): AnswerRules {
  const { model, head, answers } = asked
  const { minScore, predictionSet } = wishes
  const isMulti = head.activation === 'sigmoid'
  if (isMulti && minScore !== undefined) {
    throw refuse(
      'min_score',
      `${model} gives several labels to an input, each by a threshold of its own: use thresholds`,
    )
  }
  return {
    ...thresholdsOf(head, wishes),
    minScore: minScore ?? answers.abstention?.minScore,
    set: predictionSet && settleSets(asked, predictionSet),
  }
}

/** The thresholds that a request wants of a head, which need not be one that it names. */
export function thresholdsOf(
  { labels, activation, thresholds: own }: Pick<Head, 'labels' | 'activation' | 'thresholds'>,
  { threshold, thresholds }: Pick<AnswerWishes, 'threshold' | 'thresholds'>,
): Pick<AnswerRules, 'threshold' | 'thresholds'> {
  if (typeof thresholds !== 'object') return { threshold: thresholds ?? threshold }
  const wished = new Map(Object.entries(thresholds))
  const usual = activation === 'sigmoid' ? 0.5 : 0
  return {
    thresholds: labels.map((label, at) => wished.get(label) ?? threshold ?? own?.[at] ?? usual),
  }
}

function settleSets({ model, head, answers }: AskedHead, wish: SetWish): SetRule {
  if (head.activation === 'sigmoid') {
    throw refuse(
      'prediction_set',
      `${model} gives several labels to an input; prediction sets are of classifiers with one`,
    )
  }
  if (answers.sets !== undefined) return ruleOfSets(answers.sets, wish, model)
  throw refuse(
    'prediction_set',
    `${model} was published without the held-out scores that prediction sets are made of: train it again; there are none of fine-tuned encoders and adapted classifiers`,
  )
}

function checkLabels(
  asked: readonly AskedHead[],
  thresholds: Readonly<Record<string, number>>,
): void {
  const known = new Set(asked.flatMap(({ head }) => head.labels))
  const unknown = Object.keys(thresholds).filter((label) => !known.has(label))
  if (unknown.length === 0) return
  const names = asked.map(({ model }) => model)
  const labels = unknown.map((label) => JSON.stringify(label.slice(0, 80)))
  throw refuse(
    'thresholds',
    `${list(names)} ${names.length > 1 ? 'have' : 'has'} no label ${list(labels)}`,
  )
}

function list(names: readonly string[]): string {
  const left = names.length - MAX_NAMED
  return names.slice(0, MAX_NAMED).join(', ') + (left > 0 ? ` and ${left} more` : '')
}

function checkNumber(field: string, value: number | undefined, min: number, max: number): void {
  if (value === undefined || (typeof value === 'number' && value >= min && value <= max)) return
  throw new EspalierError('invalid_request', `${field} must be a number from ${min} to ${max}`, {
    param: field,
  })
}

function refuse(param: string, why: string): EspalierError {
  return new EspalierError('unsupported_answer', `${param}: ${why}`, { param })
}
