import { readOodScores } from '../../shared/head/predict.ts'
import { createRowScorer } from '../../shared/head/score-rows.ts'
import type { MatrixKernels } from '../../shared/lib/maths/matrix-kernels.ts'
import { createRandom } from '../../shared/lib/maths/random.ts'
import { rankOod } from '../../shared/training/evaluation/compare.ts'
import { evaluateHead } from '../../shared/training/evaluation/evaluate.ts'
import { trainHead } from '../../shared/training/train-head.ts'
import type { Method, TrainingSet } from '../../shared/training/types.ts'
import type { LabelledText, QualitySet } from './sets.ts'

/** Turns texts into L2-normalised vectors, shape [texts, dimension]. */
export type Embed = (texts: readonly string[]) => Promise<Float32Array>

/** One cell of the table: a set at a number of rows per class. */
export interface QualityResult {
  readonly set: string
  /** Rows per class; null for all. */
  readonly perClass: number | null
  readonly seeds: number
  /** Means over the seeds, in percent. */
  readonly accuracy: number
  /** Standard deviation over the seeds. */
  readonly deviation: number
  readonly macroF1: number
  readonly ece: number
  /** Share of in-distribution test rows that the detector passes. */
  readonly passed: number | null
  readonly auroc: number | null
  readonly fpr95: number | null
  readonly seconds: number
  readonly methods: readonly string[]
}

export interface MeasureOptions {
  readonly method: Method
  /** Rows per class and number of seeds; null means all rows. */
  readonly sizes: readonly { readonly perClass: number | null; readonly seeds: number }[]
  readonly onResult?: (result: QualityResult) => void
}

interface EmbeddedSet {
  readonly name: string
  readonly labels: readonly string[]
  readonly train: TrainingSet
  readonly test: TrainingSet
  readonly foreign: Float32Array
}

/** Trains and tests heads on every set and size. */
export async function measureQuality(
  sets: readonly QualitySet[],
  embed: Embed,
  kernels: MatrixKernels,
  options: MeasureOptions,
): Promise<QualityResult[]> {
  const results: QualityResult[] = []
  for (const set of sets) {
    const embedded = await embedSet(set, embed)
    for (const { perClass, seeds } of options.sizes) {
      const result = await measureCell(embedded, kernels, options.method, perClass, seeds)
      results.push(result)
      options.onResult?.(result)
    }
  }
  return results
}

async function embedSet(set: QualitySet, embed: Embed): Promise<EmbeddedSet> {
  const labels = [...new Set(set.train.map(({ label }) => label))].sort()
  const part = async (rows: readonly LabelledText[]): Promise<TrainingSet> => {
    const embeddings = await embed(rows.map(({ text }) => text))
    const targets = Int32Array.from(rows, ({ label }) => labels.indexOf(label))
    const dimension = embeddings.length / rows.length
    return { embeddings, dimension, labels, targets, labelSets: null }
  }
  const train = await part(set.train)
  const test = await part(set.test)
  const foreign = set.foreign.length > 0 ? await embed(set.foreign) : new Float32Array(0)
  return { name: set.name, labels, train, test, foreign }
}

async function measureCell(
  set: EmbeddedSet,
  kernels: MatrixKernels,
  method: Method,
  perClass: number | null,
  seeds: number,
): Promise<QualityResult> {
  const runs = []
  const methods: string[] = []
  const started = performance.now()
  for (let seed = 0; seed < seeds; seed++) {
    const rows = perClass === null ? set.train : drawRows(set.train, perClass, seed)
    const trained = await trainHead(rows, { family: set.name, method, seed }, { kernels })
    methods.push(trained.method)
    const evaluation = await evaluateHead(trained.head, set.test, kernels)
    let ranking = null
    if (set.foreign.length > 0 && evaluation.oodScores) {
      const input = await createRowScorer(trained.head, kernels)(set.foreign)
      ranking = rankOod(evaluation.oodScores, readOodScores(input)!)
    }
    runs.push({ ...evaluation, ranking })
  }
  const percent = (values: readonly number[]): number =>
    (100 * values.reduce((sum, value) => sum + value, 0)) / values.length
  const accuracies = runs.map(({ accuracy }) => accuracy)
  const accuracy = percent(accuracies)
  const squares = accuracies.reduce((sum, value) => sum + (100 * value - accuracy) ** 2, 0)
  const ranked = runs.flatMap(({ ranking }) => (ranking ? [ranking] : []))
  const passed = runs.flatMap(({ inDistribution }) => inDistribution ?? [])
  return {
    set: set.name,
    perClass,
    seeds,
    accuracy,
    deviation: Math.sqrt(squares / Math.max(seeds - 1, 1)),
    macroF1: percent(runs.map((run) => run.macroF1)),
    ece: percent(runs.map((run) => run.ece)),
    passed: passed.length > 0 ? percent(passed) : null,
    auroc: ranked.length > 0 ? percent(ranked.map(({ auroc }) => auroc)) : null,
    fpr95: ranked.length > 0 ? percent(ranked.map(({ fpr95 }) => fpr95)) : null,
    seconds: (performance.now() - started) / 1000 / seeds,
    methods: [...new Set(methods)],
  }
}

/** A seeded draw of at most `perClass` rows of every label. */
function drawRows(set: TrainingSet, perClass: number, seed: number): TrainingSet {
  const targets = set.targets!
  const order = createRandom(seed).shuffle(Int32Array.from(targets, (_, row) => row))
  const counts = new Int32Array(set.labels.length)
  const kept = order.filter((row) => counts[targets[row]!]!++ < perClass).sort()
  const embeddings = new Float32Array(kept.length * set.dimension)
  kept.forEach((row, i) => {
    const from = row * set.dimension
    embeddings.set(set.embeddings.subarray(from, from + set.dimension), i * set.dimension)
  })
  return { ...set, embeddings, targets: Int32Array.from(kept, (row) => targets[row]!) }
}

/** The results as a Markdown table. */
export function formatQuality(results: readonly QualityResult[]): string {
  const number = (value: number | null): string => (value === null ? '' : value.toFixed(1))
  const lines = results.map((r) =>
    [
      r.set,
      r.perClass ?? 'all',
      r.seeds > 1 ? `${number(r.accuracy)} ± ${number(r.deviation)}` : number(r.accuracy),
      number(r.macroF1),
      number(r.ece),
      r.auroc === null ? '' : `${number(r.auroc)} / ${number(r.fpr95)}`,
      number(r.passed),
      number(r.seconds),
      r.methods.join(', '),
    ].join(' | '),
  )
  const header = 'set | per class | accuracy | macro-F1 | ECE | AUROC / FPR95 | passed | s | method'
  const rule = header.replaceAll(/[^|]+/g, '---')
  return [header, rule, ...lines].map((line) => `| ${line} |`).join('\n')
}
