import { EspalierError } from '../../lib/errors.ts'
import type { Graph } from '../../onnx/graph.ts'
import { adamWBytes } from '../optimise/adamw.ts'
import type { Trainable } from '../types.ts'
import { peakActivations } from './peak-activations.ts'
import { megabytes } from './resources.ts'

/** ONNX Runtime's code and threads, the worker's own heap. */
const RUNTIME_BYTES = 60e6
/** What the arena holds beyond the values that live at one time, as measured over mixed batch shapes. */
const ARENA_FACTOR = 1.15
const FLOAT_BYTES = 4

/** Rows of a run without gradients. */
const SCORED_ROWS = 32

/** What memory goes into: bytes. */
export interface MemoryPlan {
  /** Weights as they were read, and what sessions hold of them. */
  readonly weights: number
  /** Trained weights with their moments, the best ones kept, and the tuned ones where alpha is chosen. */
  readonly optimiser: number
  /** Values between the operators of the largest batch, gradients included. */
  readonly activations: number
  /** Rows, labels, and states of frozen layers. */
  readonly rows: number
  readonly total: number
}

/** What memory depends on. */
export interface MemoryDemand {
  readonly training: Graph
  readonly scoring: Graph
  readonly trainedNumbers: number
  /** Whether tuned weights are interpolated with those of the base: one more copy. */
  readonly interpolates: boolean
  /** Bytes of the encoder's weights. */
  readonly weightBytes: number
  /** Bytes of tokens, targets and cached states. */
  readonly rowBytes: number
  readonly batch: number
  /** Of the longest text; null for images. */
  readonly tokens: number | null
}

/** Predicts how far the process will grow. */
export function planMemory(demand: MemoryDemand): MemoryPlan {
  const { trainedNumbers, batch } = demand
  const tokens = demand.tokens ?? 1
  const trained = trainedNumbers * FLOAT_BYTES
  const training = peakActivations(demand.training, { batch, tokens })
  const scoring = peakActivations(demand.scoring, { batch: SCORED_ROWS, tokens })
  const weights = demand.weightBytes + constantBytes(demand.training) + RUNTIME_BYTES
  const optimiser = adamWBytes(trainedNumbers) + (demand.interpolates ? 2 : 1) * trained
  // The gradients come out as copies.
  const activations = Math.round((training + scoring) * ARENA_FACTOR + trained)
  const rows = demand.rowBytes
  return { weights, optimiser, activations, rows, total: weights + optimiser + activations + rows }
}

function constantBytes(graph: Graph): number {
  return graph.initializers.reduce((sum, { data }) => sum + data.byteLength, 0)
}

/**
 * Refuses what will not fit.
 * @throws EspalierError `invalid_request` with the numbers and what to lower
 */
export function assertFits(
  plan: MemoryPlan,
  limitBytes: number,
  { batch, tokens, trainable }: Pick<MemoryDemand, 'batch' | 'tokens'> & { trainable: Trainable },
): void {
  if (plan.total <= limitBytes) return
  const isImage = tokens === null
  const fixes = [
    `a smaller batch than ${batch}`,
    ...(isImage ? [] : [`fewer tokens a text than ${tokens}`]),
    ...(trainable.kind === 'all' || (isImage && trainable.kind !== 'head')
      ? ['fewer layers to train']
      : []),
    ...(plan.rows > plan.total / 4 ? ['fewer rows'] : []),
  ]
  throw new EspalierError(
    'invalid_request',
    `fine-tuning needs about ${megabytes(plan.total)} (weights ${megabytes(plan.weights)}, optimiser ${megabytes(plan.optimiser)}, ` +
      `activations ${megabytes(plan.activations)}, rows ${megabytes(plan.rows)}) and may take ${megabytes(limitBytes)}: ` +
      `use ${[fixes.slice(0, -1).join(', '), fixes.at(-1)].filter(Boolean).join(' or ')}`,
  )
}
