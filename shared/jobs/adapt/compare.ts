import type { Head } from '../../head/head.ts'
import type { Progress } from '../../lib/logger.ts'
import type { MatrixKernels } from '../../lib/maths/matrix-kernels.ts'
import type { AdaptedHead } from '../../training/adapt/adapt.ts'
import type { AdaptMethod } from '../../training/catalogue/adapt-methods.ts'
import type { Interval } from '../../training/evaluation/intervals.ts'
import type { Features } from '../../training/numerics/features.ts'
import { loadTraining, type TrainingTools } from '../heads/tools.ts'
import { createHeadRunner } from '../rows/apply-head.ts'
import { takeRows } from '../rows/take-rows.ts'

/** A labelled source and a target, in features of one kind. */
export interface AdaptSets {
  readonly labels: readonly string[]
  readonly source: {
    readonly name: string
    readonly features: Features
    readonly targets: Int32Array
  }
  readonly target: {
    readonly name: string
    readonly features: Features
    /** Shape [rows]: the true label, -1 where it is not known. Fitting never looks at it. */
    readonly truth: Int32Array
  }
}

/** How a domain is adapted. */
export interface AdaptSettings {
  /** The method of the head that is kept. */
  readonly method: AdaptMethod
  /** Methods beside it, for the comparison. */
  readonly beside: readonly AdaptMethod[]
  readonly seed: number
  /** λ of CORAL. */
  readonly ridge: number
  readonly onProgress?: Progress | undefined
  readonly signal?: AbortSignal | undefined
}

/** One method beside the others. */
export interface MethodRow {
  readonly method: AdaptMethod
  readonly chosen: boolean
  /** Cross-validated on the source, where the method is at home; null where no row could be held out. */
  readonly sourceAccuracy: number | null
  /** Reverse validation: ranks methods, estimates nothing. */
  readonly reverse: number
  /** Share of the target's rows that get the label which the chosen method gives them. */
  readonly agreement: number
  /** Target rows moved so that every label has one, and labels without any. */
  readonly moved: number
  readonly empty: number
  /** On the target's rows whose label is known; null without any. */
  readonly target: {
    readonly rows: number
    readonly accuracy: number
    readonly interval: Interval
  } | null
}

/** The kept head, and what was compared. */
export interface ComparedMethods {
  readonly chosen: AdaptedHead
  readonly methods: readonly MethodRow[]
  /** Distance of the domains' means, in deviations of the source. */
  readonly shift: number
}

/** The training side with the adaptation. */
export async function loadAdapting() {
  const [tools, { adaptHeads }, { scaleRows }] = await Promise.all([
    loadTraining(),
    import('../../training/adapt/adapt.ts'),
    import('../../training/numerics/features.ts'),
  ])
  return { ...tools, adaptHeads, scaleRows }
}

export type AdaptTooling = Awaited<ReturnType<typeof loadAdapting>>

/** Fits every method and says how each does; only the last column looks at labels of the target. */
export async function compareMethods(
  tools: AdaptTooling,
  kernels: MatrixKernels,
  sets: AdaptSets,
  settings: AdaptSettings & { readonly family: string },
): Promise<ComparedMethods> {
  const { method, beside, family, seed, ridge, onProgress, signal } = settings
  const { source, target, labels } = sets
  const methods = [method, ...beside.filter((other) => other !== method)]
  const request = { source, target, labels, family, methods, seed, ridge }
  const { heads, shift } = await tools.adaptHeads(request, { kernels, onProgress, signal })
  const chosen = heads[0]!
  const known = takeKnown(sets)
  const rows: MethodRow[] = []
  for (const adapted of heads) {
    const { assignment, trained, reverse } = adapted
    const same = assignment.labels.filter((label, row) => label === chosen.assignment.labels[row])
    rows.push({
      method: adapted.method,
      chosen: adapted === chosen,
      sourceAccuracy: trained.crossValidation?.accuracy ?? null,
      reverse,
      agreement: same.length / assignment.labels.length,
      moved: assignment.moved,
      empty: assignment.empty,
      target: known && (await evaluate(tools, kernels, trained.head, { ...known, labels })),
    })
  }
  return { chosen, methods: rows, shift }
}

/** Labels of the target's rows with the head's probability; null for rows that fill an empty label. */
export async function predictTarget(
  { trained, assignment }: AdaptedHead,
  { features }: AdaptSets['target'],
  kernels: MatrixKernels,
): Promise<readonly { readonly label: string; readonly confidence: number | null }[]> {
  const { head } = trained
  const answers = await createHeadRunner(head, kernels).run(toFloat32(features), { topK: 1 })
  return answers.map((answer, row) => {
    const label = head.labels[assignment.labels[row]!]!
    return { label, confidence: answer.label === label ? answer.score : null }
  })
}

/** The rows of the target whose label is known. */
function takeKnown({ target }: AdaptSets) {
  const { truth, features } = target
  const known = [...truth.keys()].filter((row) => truth[row]! >= 0)
  if (known.length === 0) return null
  const embeddings = takeRows(features.data, known, features.columns)
  return { embeddings, targets: Int32Array.from(known, (row) => truth[row]!) }
}

async function evaluate(
  { evaluateHead, intervalOfRight }: TrainingTools,
  kernels: MatrixKernels,
  head: Head,
  rows: {
    readonly embeddings: Float32Array
    readonly targets: Int32Array
    readonly labels: readonly string[]
  },
) {
  const { embeddings, targets, labels } = rows
  const set = { embeddings, targets, labels, dimension: head.dimension, labelSets: null }
  const { right, accuracy } = await evaluateHead(head, set, kernels)
  return { rows: right.length, accuracy, interval: intervalOfRight(right) }
}

function toFloat32({ data }: Features): Float32Array {
  return data instanceof Float32Array ? data : new Float32Array(data)
}
