import { AnswerCounts, countAnswers } from '../../drift/answer-counts.ts'
import { type DriftState, DriftWindow } from '../../drift/drift-window.ts'
import { type DriftResult, isUsable, type ReferenceCounts } from '../../drift/test-drift.ts'
import type { Head } from '../../head/head.ts'
import type { Prediction } from '../../head/predict.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logger.ts'

/** Versions that are remembered; the longest unused are forgotten first. */
const MAX_VERSIONS = 256
/** Labels of one version with a count of their own, the first of the head. */
export const MAX_LABELS = 200

/** What one version has answered since the start. Counts only grow. */
export interface VersionAnswers {
  /** `name@v1`. */
  readonly model: string
  readonly counts: AnswerCounts
  /** Answers by label: at most `MAX_LABELS`, then all others together, then none. */
  readonly labels: readonly (readonly [label: string, answers: number])[]
  /** Null where the version has no reference, or drift is not tested. */
  readonly drift: DriftState | null
}

/** A version that has answered. */
export interface AnsweringHead {
  /** `name@v1`. */
  readonly model: string
  readonly head: Pick<Head, 'labels' | 'activation'>
  /** What its answers are tested against; null where it has nothing. */
  readonly reference: ReferenceCounts | null
}

/** How answers are watched. */
export interface AnswerWatchOptions {
  /** Answers of a window of the drift test; null tests nothing. */
  readonly window: number | null
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly log: Logger
}

interface Entry {
  readonly counts: AnswerCounts
  readonly listed: ReadonlySet<string>
  readonly labels: readonly string[]
  readonly drift: DriftWindow | null
}

/** Counts what every version answers, and tests it for drift. */
export class AnswerWatch {
  readonly #options: AnswerWatchOptions
  /** Least recently used first. */
  readonly #entries = new Map<string, Entry>()

  constructor(options: AnswerWatchOptions) {
    this.#options = options
  }

  /**
   * Counts the predictions of one request.
   * @param isUsual false where the request chose how sure a label must be
   */
  add(
    answering: AnsweringHead,
    predictions: readonly Prediction[],
    isUsual: boolean,
  ): AnswerCounts {
    const { model, head, reference } = answering
    const options = { multiLabel: head.activation === 'sigmoid', isUsual }
    const counts = countAnswers(predictions, options)
    const entry = this.#entry(answering)
    entry.counts.merge(counts)
    if (entry.drift && reference) {
      const most = entry.drift.largestPart
      const part =
        predictions.length > most ? countAnswers(predictions.slice(0, most), options) : counts
      const baseline = { reference, head }
      const result = entry.drift.add(part, baseline, this.#options.clock.monotonicMs())
      if (result) this.#tell(model, result)
    }
    return counts
  }

  /** By version. */
  list(): VersionAnswers[] {
    return [...this.#entries].map(([model, { counts, labels, listed, drift }]) => ({
      model,
      counts,
      labels: listLabels(counts, labels, listed),
      drift: drift?.state ?? null,
    }))
  }

  #entry({ model, head, reference }: AnsweringHead): Entry {
    const found = this.#entries.get(model)
    this.#entries.delete(model)
    const { window } = this.#options
    const entry = found ?? {
      counts: new AnswerCounts(),
      labels: head.labels,
      listed: new Set(head.labels.slice(0, MAX_LABELS)),
      drift:
        window !== null && reference !== null && isUsable(reference)
          ? new DriftWindow(window)
          : null,
    }
    this.#entries.set(model, entry)
    const [oldest] = this.#entries.keys()
    if (this.#entries.size > MAX_VERSIONS && oldest !== undefined) this.#entries.delete(oldest)
    return entry
  }

  #tell(model: string, { alarm, answers, rows, ...tests }: DriftResult): void {
    const { scores, inDistribution, labels, moved } = tests
    const round = (value: number | null) => value && Number(value.toPrecision(4))
    const of = ({ expected, observed, pValue, drifted }: typeof scores) => ({
      ...{ expected: round(expected), observed: round(observed) },
      ...{ pValue: round(pValue), drifted },
    })
    const line = {
      ...{ model, alarm, answers, rows },
      ...{ scores: of(scores), inDistribution: of(inDistribution), labels: of(labels) },
      moved: labels.drifted
        ? moved.map(({ label, expected, observed }) => {
            return { label, expected: round(expected), observed: round(observed) }
          })
        : undefined,
    }
    if (alarm) this.#options.log.warn(line, 'drift')
    else this.#options.log.info(line, 'drift')
  }
}

/** The counts as metrics show them. A label that is named like one of the two sums keeps its name. */
function listLabels(
  { labels: counts, none }: AnswerCounts,
  labels: readonly string[],
  listed: ReadonlySet<string>,
): [string, number][] {
  const shown: [string, number][] = []
  let rest = 0
  for (const [label, count] of counts) {
    if (listed.has(label)) shown.push([label, count])
    else rest += count
  }
  const nameOf = (name: string, other: string) => (labels.includes(name) ? other : name)
  if (rest > 0) shown.push([nameOf('other', 'other labels'), rest])
  if (none > 0) shown.push([nameOf('none', 'no label'), none])
  return shown
}
