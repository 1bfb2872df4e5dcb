import { createHash } from 'node:crypto'
import { identityOf, type LabelledExample } from '../../dataset/examples.ts'

/** Positions of the examples on either side, ascending. */
export interface ExampleSplit {
  readonly train: readonly number[]
  readonly test: readonly number[]
}

/**
 * Holds out a share of every class, at most all but one of its examples. Who is held out depends on seed and
 * input alone: when rows are added later, nearly all that were held out stay held out, so that versions trained at
 * different times can be compared on rows that neither has learnt.
 */
export function splitExamples(
  examples: readonly LabelledExample[],
  share: number,
  seed: number,
): ExampleSplit {
  const held = new Uint8Array(examples.length)
  let owed = 0
  for (const members of groupByRarestLabel(examples)) {
    const ranked = members
      .map((at) => ({ at, rank: rankOf(examples[at]!, seed) }))
      .sort((a, b) => (a.rank < b.rank ? -1 : a.rank > b.rank ? 1 : a.at - b.at))
    // Rounding is carried on, so that many small classes still give their share in sum.
    owed += members.length * share
    const count = Math.max(0, Math.min(Math.round(owed), members.length - 1))
    owed -= count
    for (const { at } of ranked.slice(0, count)) held[at] = 1
  }
  returnLostLabels(examples, held)
  const train: number[] = []
  const test: number[] = []
  for (const at of examples.keys()) (held[at] === 1 ? test : train).push(at)
  return { train, test }
}

function rankOf(example: LabelledExample, seed: number): string {
  return createHash('sha256')
    .update(`${seed}\0${identityOf(example)}`)
    .digest('hex')
}

/** Groups in the order of their labels; an example of several labels counts for the rarest. */
function groupByRarestLabel(examples: readonly LabelledExample[]): number[][] {
  const counts = new Map<string, number>()
  for (const { labels } of examples) {
    for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1)
  }
  const groups = new Map<string, number[]>()
  for (const [at, { labels }] of examples.entries()) {
    const [rarest = ''] = labels.toSorted(
      (a, b) => counts.get(a)! - counts.get(b)! || (a < b ? -1 : 1),
    )
    const group = groups.get(rarest)
    if (group === undefined) groups.set(rarest, [at])
    else group.push(at)
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, members]) => members)
}

/** With several labels a text, all examples of one may have been held out for the sake of others. */
function returnLostLabels(examples: readonly LabelledExample[], held: Uint8Array): void {
  const trained = new Set<string>()
  for (const [at, { labels }] of examples.entries()) {
    if (held[at] === 0) for (const label of labels) trained.add(label)
  }
  for (const [at, { labels }] of examples.entries()) {
    if (held[at] === 0 || labels.every((label) => trained.has(label))) continue
    held[at] = 0
    for (const label of labels) trained.add(label)
  }
}
