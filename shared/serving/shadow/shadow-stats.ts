import type { Prediction } from '../../head/predict.ts'

/** Models whose shadows are remembered; the longest unused are forgotten first. */
const MAX_MODELS = 256
/** Answering versions told apart for one shadow. */
const MAX_ANSWERED = 8
/** Different pairs of labels counted for one pair of versions. */
const MAX_CHANGES = 256
/** Pairs of labels that a summary lists, most frequent first. */
const LISTED_CHANGES = 20

/** Why a sampled request was not scored: others waited, too much was under way, not loaded, or an error. */
export const SKIP_REASONS = ['queue', 'busy', 'loading', 'failed'] as const
export type SkipReason = (typeof SKIP_REASONS)[number]

/** What a shadow said beside the version that answered. */
export interface ShadowResult {
  /** The version that answered. */
  readonly answered: number
  readonly inputs: number
  /** Inputs with the same label, or the same set of labels. */
  readonly agreed: number
  /** Mean of the shadow's score less the answer's; null without inputs. */
  readonly meanShift: number | null
  /** Mean of its absolute value. */
  readonly meanAbsoluteShift: number | null
  /** Answers that the shadow would have changed, most frequent first. */
  readonly changes: readonly LabelChange[]
}

/** A label that was answered, and what the shadow said instead; null for no label. */
export interface LabelChange {
  readonly answered: string | null
  readonly shadow: string | null
  readonly inputs: number
}

/** One model's shadow since it was set. */
export interface ShadowSummary {
  readonly version: number
  readonly results: readonly ShadowResult[]
  readonly skipped: Readonly<Record<SkipReason, number>>
}

/** Counts of one model over all its shadows, for metrics: they only grow. */
export interface ShadowTotals {
  readonly model: string
  readonly agreed: number
  readonly disagreed: number
  /** Sum of the score shifts upwards, and of those downwards as a positive number. */
  readonly up: number
  readonly down: number
  readonly skipped: Readonly<Record<SkipReason, number>>
}

interface Pair {
  inputs: number
  agreed: number
  shift: number
  absolute: number
  readonly changes: Map<string, number>
}

interface Entry {
  version: number
  pairs: Map<number, Pair>
  skipped: Record<SkipReason, number>
  readonly totals: { agreed: number; disagreed: number; up: number; down: number }
  readonly allSkipped: Record<SkipReason, number>
}

/** Keeps what shadows said, in bounded memory and without any text of a caller. */
export class ShadowStats {
  /** Least recently used first. */
  readonly #entries = new Map<string, Entry>()

  /** Counts one compared request of `name`. Predictions of both are in the order of the inputs. */
  add(
    name: string,
    versions: { readonly answered: number; readonly shadow: number },
    answers: readonly Prediction[],
    shadows: readonly Prediction[],
    multiLabel: boolean,
  ): void {
    const entry = this.#entry(name, versions.shadow)
    const pair = pairOf(entry, versions.answered)
    for (const [row, answer] of answers.entries()) {
      const shadow = shadows[row]!
      const shift = shadow.score - answer.score
      const agrees = multiLabel ? isSameSet(answer, shadow) : answer.label === shadow.label
      pair.inputs++
      pair.shift += shift
      pair.absolute += Math.abs(shift)
      entry.totals[shift < 0 ? 'down' : 'up'] += Math.abs(shift)
      entry.totals[agrees ? 'agreed' : 'disagreed']++
      if (agrees) pair.agreed++
      else noteChange(pair.changes, answer.label, shadow.label)
    }
  }

  /** Counts a sampled request that was not scored. */
  skip(name: string, shadow: number, reason: SkipReason): void {
    const entry = this.#entry(name, shadow)
    entry.skipped[reason]++
    entry.allSkipped[reason]++
  }

  /** What the shadow of a model has said since it was set; empty where it has said nothing. */
  summarize(name: string, version: number): ShadowSummary {
    const entry = this.#entries.get(name)
    if (entry?.version !== version) return { version, results: [], skipped: noSkips() }
    const results = [...entry.pairs].map(([answered, pair]) => describePair(answered, pair))
    return { version, results, skipped: { ...entry.skipped } }
  }

  /** By model. */
  totals(): ShadowTotals[] {
    return [...this.#entries].map(([model, { totals, allSkipped }]) => {
      return { model, ...totals, skipped: { ...allSkipped } }
    })
  }

  #entry(name: string, version: number): Entry {
    const found = this.#entries.get(name)
    this.#entries.delete(name)
    const totals = { agreed: 0, disagreed: 0, up: 0, down: 0 }
    const fresh = { version, pairs: new Map(), skipped: noSkips() }
    const entry = found ?? { ...fresh, totals, allSkipped: noSkips() }
    if (entry.version !== version) Object.assign(entry, fresh)
    this.#entries.set(name, entry)
    const [oldest] = this.#entries.keys()
    if (this.#entries.size > MAX_MODELS && oldest !== undefined) this.#entries.delete(oldest)
    return entry
  }
}

function pairOf({ pairs }: Entry, answered: number): Pair {
  const found = pairs.get(answered)
  if (found) return found
  const pair: Pair = { inputs: 0, agreed: 0, shift: 0, absolute: 0, changes: new Map() }
  const [oldest] = pairs.keys()
  if (pairs.size >= MAX_ANSWERED && oldest !== undefined) pairs.delete(oldest)
  pairs.set(answered, pair)
  return pair
}

function describePair(answered: number, pair: Pair): ShadowResult {
  const { inputs, agreed, shift, absolute, changes } = pair
  const mean = (sum: number) => (inputs > 0 ? sum / inputs : null)
  const listed = [...changes].sort(([, a], [, b]) => b - a).slice(0, LISTED_CHANGES)
  return {
    answered,
    inputs,
    agreed,
    meanShift: mean(shift),
    meanAbsoluteShift: mean(absolute),
    changes: listed.map(([key, count]) => {
      const [from, to] = JSON.parse(key) as [string | null, string | null]
      return { answered: from, shadow: to, inputs: count }
    }),
  }
}

function noteChange(changes: Map<string, number>, from: string | null, to: string | null): void {
  const key = JSON.stringify([from, to])
  const known = changes.get(key)
  if (known === undefined && changes.size >= MAX_CHANGES) return
  changes.set(key, (known ?? 0) + 1)
}

function isSameSet({ labels: a }: Prediction, { labels: b }: Prediction): boolean {
  const names = new Set(a.map(({ label }) => label))
  return a.length === b.length && b.every(({ label }) => names.has(label))
}

function noSkips(): Record<SkipReason, number> {
  return { queue: 0, busy: 0, loading: 0, failed: 0 }
}
