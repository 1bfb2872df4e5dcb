import type { RowToCompare } from '../../dataset/rows-to-compare.ts'
import type { Prediction } from '../../head/predict.ts'

/** One input on which two versions differ. */
export interface Disagreement {
  readonly line: number
  /** The text; of an image, the path that names it. */
  readonly text: string
  /** Null where the row says nothing of its label. */
  readonly labels: readonly string[] | null
  readonly before: Said
  readonly after: Said
}

/** The labels that a version gives, best first, and the score of the best. */
export interface Said {
  readonly labels: readonly string[]
  readonly score: number
}

/** How two versions' answers to the same rows differ. */
export interface Agreement {
  readonly agreed: number
  /** Mean of the second's score less the first's, and of its absolute value. */
  readonly meanShift: number
  readonly meanAbsoluteShift: number
  /** Answers that changed, most frequent first; several labels are joined by commas. */
  readonly changes: readonly { readonly before: string; readonly after: string; rows: number }[]
  /** Those that both versions are surest of come first. */
  readonly disagreements: readonly Disagreement[]
}

/** Compares predictions of the same rows, in their order. */
export function measureAgreement(
  rows: readonly RowToCompare[],
  before: readonly Prediction[],
  after: readonly Prediction[],
  top: number,
): Agreement {
  let shift = 0
  let absolute = 0
  const differing: Disagreement[] = []
  const changes = new Map<string, { before: string; after: string; rows: number }>()
  for (const [at, { line, text, labels }] of rows.entries()) {
    const [old, now] = [say(before[at]!), say(after[at]!)]
    shift += now.score - old.score
    absolute += Math.abs(now.score - old.score)
    const [from, to] = [joinLabels(old), joinLabels(now)]
    if (from === to) continue
    differing.push({ line, text, labels, before: old, after: now })
    const key = JSON.stringify([from, to])
    const change = changes.get(key) ?? { before: from, after: to, rows: 0 }
    change.rows++
    changes.set(key, change)
  }
  const sureness = (each: Disagreement) => Math.min(each.before.score, each.after.score)
  differing.sort((a, b) => sureness(b) - sureness(a) || a.line - b.line)
  return {
    agreed: rows.length - differing.length,
    meanShift: shift / rows.length,
    meanAbsoluteShift: absolute / rows.length,
    changes: [...changes.values()].sort((a, b) => b.rows - a.rows).slice(0, top),
    disagreements: differing.slice(0, top),
  }
}

function say({ labels, score }: Prediction): Said {
  return { labels: labels.map(({ label }) => label), score }
}

function joinLabels({ labels }: Said): string {
  return [...labels].sort().join(', ')
}
