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
 * different times can be compared on rows that neither has learnt. What stays together is on one side.
 */
export function splitExamples(
  examples: readonly LabelledExample[],
  share: number,
  seed: number,
): ExampleSplit {
  if (examples.some(({ together }) => together !== undefined)) {
    return sidesOf(holdUnits(examples, share, seed))
  }
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
  return sidesOf(held)
}

/** Numbers of what stays together as training takes them, shape [examples]; undefined where all stand alone. */
export function togetherOf(examples: readonly LabelledExample[]): Int32Array | undefined {
  if (!examples.some(({ together }) => together !== undefined)) return undefined
  return Int32Array.from(examples, ({ together }) => together ?? -1)
}

function sidesOf(held: Uint8Array): ExampleSplit {
  const train: number[] = []
  const test: number[] = []
  for (const at of held.keys()) (held[at] === 1 ? test : train).push(at)
  return { train, test }
}

/** Examples that stay together, one that stands alone included. */
interface Unit {
  readonly members: number[]
  readonly rank: string
  /** Examples of each label. */
  readonly counts: Map<string, number>
}

/**
 * Holds out whole units: of each label, the rarest first, as many of those that rank first as come closest to its share.
 * No unit is held out that is all there is of a label, or all that is left of it.
 */
function holdUnits(examples: readonly LabelledExample[], share: number, seed: number): Uint8Array {
  const units = listUnits(examples, seed)
  const left = new Map<string, number>()
  for (const { counts } of units) {
    for (const [label, count] of counts) left.set(label, (left.get(label) ?? 0) + count)
  }
  const totals = new Map(left)
  const byLabel = new Map<string, Unit[]>()
  for (const unit of units) {
    for (const label of unit.counts.keys()) {
      const known = byLabel.get(label)
      if (known === undefined) byLabel.set(label, [unit])
      else known.push(unit)
    }
  }
  const held = new Uint8Array(examples.length)
  let carried = 0
  const order = [...totals].sort(([a, x], [b, y]) => x - y || (a < b ? -1 : 1))
  for (const [label, total] of order) {
    const owed = carried + total * share
    let taken = total - left.get(label)!
    for (const unit of byLabel.get(label)!) {
      const count = unit.counts.get(label)!
      if (held[unit.members[0]!] === 1 || owed - taken < count / 2) continue
      if ([...unit.counts].some(([own, size]) => left.get(own)! <= size)) continue
      for (const [own, size] of unit.counts) left.set(own, left.get(own)! - size)
      for (const at of unit.members) held[at] = 1
      taken += count
    }
    // Rounding is carried on to the next label, but not what one large unit was short of or over.
    carried = Math.max(-0.5, Math.min(0.5, owed - taken))
  }
  return held
}

/** By rank: that of a group by its name, of others by what they say first. */
function listUnits(examples: readonly LabelledExample[], seed: number): Unit[] {
  const units = new Map<number | string, number[]>()
  for (const [at, { together }] of examples.entries()) {
    const key = together ?? `alone ${at}`
    const known = units.get(key)
    if (known === undefined) units.set(key, [at])
    else known.push(at)
  }
  return [...units.values()]
    .map((members) => {
      const counts = new Map<string, number>()
      for (const label of members.flatMap((at) => examples[at]!.labels)) {
        counts.set(label, (counts.get(label) ?? 0) + 1)
      }
      const ranks = members.map((at) => rankOf(examples[at]!, seed)).sort()
      return { members, rank: ranks[0]!, counts }
    })
    .sort((a, b) => (a.rank < b.rank ? -1 : a.rank > b.rank ? 1 : a.members[0]! - b.members[0]!))
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
