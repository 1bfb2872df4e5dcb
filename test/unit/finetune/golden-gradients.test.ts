import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { readTransformerConfig } from '../../../shared/exporter/source/source-config.ts'
import { loadWeights } from '../../../shared/exporter/source/weights.ts'
import { buildTrainingGraph } from '../../../shared/finetune/graph/training-graph.ts'
import type { TrainingGraph, TrainingGraphOptions } from '../../../shared/finetune/graph/types.ts'
import {
  createTextTrunk,
  type LowerGraph,
  type TextTrunk,
} from '../../../shared/finetune/text/text-trunk.ts'
import type { Loss, Trainable } from '../../../shared/finetune/types.ts'
import type { Graph } from '../../../shared/onnx/graph.ts'
import { serializeModel } from '../../../shared/onnx/writer.ts'
import { type NamedTensor, openSession } from '../../../shared/runtime/session.ts'
import { type Digest, difference, digest, pseudoRandom } from './gradient-digest.ts'

/** What PyTorch computed; see test/golden/make-finetune.py. */
interface Golden {
  readonly ids: readonly (readonly number[])[]
  readonly lengths: readonly number[]
  readonly classWeights: readonly number[]
  readonly smoothing: number
  readonly cosineScale: number
  readonly pairs: readonly (readonly [number, number, number])[]
  readonly entries: readonly {
    readonly loss: Loss['kind']
    readonly value: number
    readonly gradientNorm: number
    readonly gradients: Readonly<Record<string, Digest>>
  }[]
}

/** The product's bar, relative to the largest gradient of a tensor. */
const TOLERANCE = 2e-5
const [ROWS, TOKENS, CLASSES, HIDDEN] = [16, 32, 6, 384]

const folder = fileURLToPath(new URL('../../../infra/models/all-MiniLM-L6-v2', import.meta.url))
const path = fileURLToPath(new URL('../../golden/finetune.json', import.meta.url))
const golden = JSON.parse(readFileSync(path, 'utf8')) as Golden
const weights = await loadWeights(folder, await readTransformerConfig(folder), null)

function optionsOf(kind: Loss['kind'], trainable: Trainable): TrainingGraphOptions<TextTrunk> {
  const losses: Record<Loss['kind'], Loss> = {
    'cross-entropy': { kind: 'cross-entropy', smoothing: golden.smoothing },
    'binary-cross-entropy': { kind: 'binary-cross-entropy' },
    'cosine-softmax': { kind: 'cosine-softmax', scale: golden.cosineScale },
    contrastive: { kind: 'contrastive' },
  }
  const weighted = kind === 'cross-entropy' || kind === 'binary-cross-entropy'
  // Prototypes are the parameter times the scale; their length does not matter to the scores.
  const spread = kind === 'cosine-softmax' ? golden.cosineScale : 1
  return {
    trunk: createTextTrunk({ weights, pooling: 'mean', trainable }),
    loss: losses[kind],
    classes: CLASSES,
    initialHead: {
      weight: pseudoRandom(CLASSES * HIDDEN, spread),
      bias: pseudoRandom(CLASSES, 0.2),
    },
    classWeights: weighted ? Float32Array.from(golden.classWeights) : null,
  }
}

function batchFeeds(): Record<'ids' | 'mask', NamedTensor> {
  const mask = golden.lengths.flatMap((length) =>
    Array.from({ length: TOKENS }, (_, i) => (i < length ? 1 : 0)),
  )
  const dims = [ROWS, TOKENS]
  return {
    ids: { data: Int32Array.from(golden.ids.flat()), dims },
    mask: { data: Float32Array.from(mask), dims },
  }
}

function targetFeeds(kind: Loss['kind']): Record<string, NamedTensor> {
  if (kind !== 'contrastive') {
    const targets = new Float32Array(ROWS * CLASSES)
    for (let row = 0; row < ROWS; row++) {
      const label = row % CLASSES
      targets[row * CLASSES + label] = 1
      if (kind === 'binary-cross-entropy') targets[row * CLASSES + ((label * 2 + 1) % CLASSES)] = 1
    }
    return { targets: { data: targets, dims: [ROWS, CLASSES] } }
  }
  const targets = new Float32Array(ROWS * ROWS)
  const pairWeights = new Float32Array(ROWS * ROWS)
  for (const [first, second, wanted] of golden.pairs) {
    targets[first * ROWS + second] = wanted
    pairWeights[first * ROWS + second] = (pairWeights[first * ROWS + second] as number) + 1
  }
  const dims = [ROWS, ROWS]
  return { targets: { data: targets, dims }, pair_weights: { data: pairWeights, dims } }
}

async function runGraph(graph: Graph, feeds: Record<string, NamedTensor>) {
  const session = await openSession(serializeModel(graph).graph, { optimization: 'disabled' })
  try {
    return await session.run(feeds)
  } finally {
    await session.release()
  }
}

async function runLower(lower: LowerGraph): Promise<NamedTensor> {
  const { ids, mask } = batchFeeds()
  return (await runGraph(lower.graph, { ids, mask }))[lower.output] as NamedTensor
}

async function runTraining(kind: Loss['kind'], training: TrainingGraph, lower: LowerGraph | null) {
  const { ids, mask } = batchFeeds()
  const feeds: Record<string, NamedTensor> = targetFeeds(kind)
  for (const { name, initial, dims } of training.parameters) feeds[name] = { data: initial, dims }
  const { start } = training.batch
  if ('mask' in start) feeds[start.mask] = mask
  if (start.kind === 'ids') feeds[start.ids] = ids
  if (start.kind === 'states') feeds[start.states] = await runLower(lower as LowerGraph)
  if (start.kind === 'embeddings') feeds[start.embeddings] = await runLower(lower as LowerGraph)
  return await runGraph(training.graph, feeds)
}

/** Every loss with all layers; where a batch starts has nothing to do with the loss. */
const CASES = golden.entries.flatMap((entry) => {
  const sets: Trainable[] = [{ kind: 'all' }]
  if (entry.loss === 'cross-entropy') sets.push({ kind: 'layers', count: 2 }, { kind: 'head' })
  return sets.map((trainable) => ({ entry, trainable, name: `${entry.loss}, ${trainable.kind}` }))
})

describe('gradients of the built-in encoder', () => {
  it.each(CASES)('are those of PyTorch: $name', async ({ entry, trainable }) => {
    const options = optionsOf(entry.loss, trainable)
    const training = buildTrainingGraph(options)
    const found = await runTraining(entry.loss, training, options.trunk.buildLower())
    expect(found.loss?.data[0]).toBeCloseTo(entry.value, 5)
    if (trainable.kind === 'all') {
      expect(training.parameters.map(({ name }) => name).sort()).toEqual(
        Object.keys(entry.gradients).sort(),
      )
      const norm = found[training.outputs.gradientNorm]?.data[0] as number
      expect(Math.abs(norm / entry.gradientNorm - 1)).toBeLessThan(TOLERANCE)
    }
    for (const [i, { name }] of training.parameters.entries()) {
      const gradient = found[training.outputs.gradients[i] as string]?.data as Float32Array
      const wanted = entry.gradients[name] as Digest
      expect(difference(digest(gradient), wanted), name).toBeLessThanOrEqual(TOLERANCE)
      // A bias of all keys moves no softmax: its gradient is zero but for rounding.
      if (!name.endsWith('qkv.bias')) continue
      const keys = gradient.subarray(HIDDEN, 2 * HIDDEN)
      expect(digest(keys).max, `${name}, keys`).toBeLessThan(1e-6)
    }
  })
})
