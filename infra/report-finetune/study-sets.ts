import { createRandom } from '../../shared/lib/maths/random.ts'
import { type LabelledText, type QualitySet, readQualitySets } from '../quality/sets.ts'
import { domainOf } from './clinc-domains.ts'

/** A row; draws keep the shares of `stratum`, so that coarse and fine labels get the same texts. */
export interface StudyRow extends LabelledText {
  readonly stratum: string
}

/** A data set of the study: the same texts may come with coarse and with fine labels. */
export interface StudySet {
  readonly name: string
  /** How it is called in tables and plots. */
  readonly title: string
  readonly labels: readonly string[]
  readonly train: readonly StudyRow[]
  readonly test: readonly LabelledText[]
}

/** TREC by 6 kinds of answer, Banking77 by 77 intents, CLINC150 by 150 intents and by the 10 domains of those. */
export async function readStudySets(folder: string): Promise<StudySet[]> {
  const sets = await readQualitySets(folder)
  const named = (name: string): QualitySet => {
    const set = sets.find((each) => each.name === name)
    if (set === undefined) throw new Error(`no data set ${name} in ${folder}`)
    return set
  }
  const clinc = named('clinc150')
  const coarse = (rows: readonly LabelledText[]): StudyRow[] =>
    rows.map(({ text, label }) => ({ text, label: domainOf(label), stratum: label }))
  return [
    describe('trec', 'TREC, 6 kinds of answer', named('trec')),
    describe('banking77', 'Banking77, 77 intents', named('banking77')),
    describe('clinc-intents', 'CLINC150, 150 intents', clinc),
    describe('clinc-domains', 'CLINC150, 10 domains', {
      ...clinc,
      train: coarse(clinc.train),
      test: coarse(clinc.test),
    }),
  ]
}

/** A seeded draw of `count` rows, at least one of every stratum; in the order of the data. */
export function drawRows(rows: readonly StudyRow[], count: number, seed: number): StudyRow[] {
  if (count >= rows.length) return [...rows]
  const order = createRandom(seed).shuffle(Int32Array.from(rows.keys()))
  const seen = new Set<string>()
  const first: number[] = []
  const rest: number[] = []
  for (const at of order) {
    const { stratum } = rows[at]!
    if (seen.has(stratum)) rest.push(at)
    else {
      seen.add(stratum)
      first.push(at)
    }
  }
  const kept = [...first, ...rest].slice(0, Math.max(count, first.length))
  return kept.sort((a, b) => a - b).map((at) => rows[at]!)
}

/** A seeded draw of at most `perLabel` rows of every label. */
export function drawPerLabel(
  rows: readonly LabelledText[],
  perLabel: number,
  seed: number,
): LabelledText[] {
  const order = createRandom(seed).shuffle(Int32Array.from(rows.keys()))
  const counts = new Map<string, number>()
  const kept: number[] = []
  for (const at of order) {
    const { label } = rows[at]!
    const count = counts.get(label) ?? 0
    if (count >= perLabel) continue
    counts.set(label, count + 1)
    kept.push(at)
  }
  return kept.sort((a, b) => a - b).map((at) => rows[at]!)
}

function describe(name: string, title: string, set: QualitySet): StudySet {
  const labels = [...new Set(set.train.map(({ label }) => label))].sort()
  const train = set.train.map((row) => ({ stratum: row.label, ...row }))
  return { name, title, labels, train, test: set.test }
}
