import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { POOLINGS, readTransformerConfig } from '../../../shared/exporter/source/source-config.ts'
import { storedLayerNames } from '../../../shared/exporter/source/tensor-names.ts'
import { loadWeights } from '../../../shared/exporter/source/weights.ts'
import { buildTrainingGraph } from '../../../shared/finetune/graph/training-graph.ts'
import { createTextTrunk, type LowerGraph } from '../../../shared/finetune/text/text-trunk.ts'
import type { Trainable } from '../../../shared/finetune/types.ts'
import type { Graph } from '../../../shared/onnx/graph.ts'
import { serializeModel } from '../../../shared/onnx/writer.ts'
import { type NamedTensor, openSession } from '../../../shared/runtime/session.ts'
import { type Digest, difference, digest, pseudoRandom } from './gradient-digest.ts'

/** What PyTorch computed, by the names in the file; see test/golden/make-architectures.py. */
interface Golden {
  readonly pooling: string
  readonly gradients: {
    readonly rows: readonly (readonly number[])[]
    readonly loss: number
    readonly tensors: Readonly<Record<string, Digest>>
  }
}

/** The product's bar, relative to the largest gradient of a tensor. */
const TOLERANCE = 2e-5
const CLASSES = 5
const PAD = 1

const folders = fileURLToPath(new URL('../../golden/architectures/', import.meta.url))

async function runGraph(graph: Graph, feeds: Record<string, NamedTensor>) {
  const session = await openSession(serializeModel(graph).graph, { optimization: 'disabled' })
  try {
    return await session.run(feeds)
  } finally {
    await session.release()
  }
}

function feedsOf(rows: Golden['gradients']['rows']) {
  const width = Math.max(...rows.map(({ length }) => length))
  const dims = [rows.length, width]
  const ids = new Int32Array(rows.length * width).fill(PAD)
  const mask = new Float32Array(rows.length * width)
  const targets = new Float32Array(rows.length * CLASSES)
  for (const [row, tokens] of rows.entries()) {
    ids.set(tokens, row * width)
    mask.fill(1, row * width, row * width + tokens.length)
    targets[row * CLASSES + (row % CLASSES)] = 1
  }
  return {
    ids: { data: ids, dims },
    mask: { data: mask, dims },
    targets: { data: targets, dims: [rows.length, CLASSES] },
  }
}

const CASES = readdirSync(folders)
  .sort()
  .flatMap((name) => {
    const sets: Trainable[] = [{ kind: 'all' }, { kind: 'layers', count: 1 }]
    return sets.map((trainable) => ({ name, trainable, kind: trainable.kind }))
  })

describe('gradients of an architecture', () => {
  it.each(CASES)('are those of PyTorch: $name, $kind', async ({ name, trainable }) => {
    const folder = join(folders, name)
    const golden = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as Golden
    const config = await readTransformerConfig(folder)
    const weights = await loadWeights(folder, config, null)
    const pooling = POOLINGS.find((each) => golden.pooling.startsWith(each)) ?? 'mean'
    const { hidden } = config
    const trunk = createTextTrunk({ weights, pooling, trainable })
    const training = buildTrainingGraph({
      trunk,
      loss: { kind: 'cross-entropy', smoothing: 0 },
      classes: CLASSES,
      initialHead: {
        weight: pseudoRandom(CLASSES * hidden, 1),
        bias: pseudoRandom(CLASSES, 0.2),
      },
      classWeights: null,
    })
    const { ids, mask, targets } = feedsOf(golden.gradients.rows)
    const feeds: Record<string, NamedTensor> = { targets, mask }
    for (const { name, initial, dims } of training.parameters) feeds[name] = { data: initial, dims }
    const { start } = training.batch
    if (start.kind === 'ids') feeds[start.ids] = ids
    if (start.kind === 'states') {
      const lower = trunk.buildLower() as LowerGraph
      const states = (await runGraph(lower.graph, { ids, mask }))[lower.output]
      feeds[start.states] = states as NamedTensor
    }
    const found = await runGraph(training.graph, feeds)
    expect(found.loss?.data[0]).toBeCloseTo(golden.gradients.loss, 5)

    const stored = storedLayerNames(config)
    let compared = 0
    for (const [i, { name: ours }] of training.parameters.entries()) {
      if (ours.startsWith('head.')) continue
      const gradient = found[training.outputs.gradients[i] as string]?.data as Float32Array
      compareStacked(golden, stored.get(ours) ?? [], gradient, ours)
      compared++
    }
    expect(compared).toBe(training.parameters.length - 2)
  })
})

/** Query, key and value lie one below the other in ours; each is a tensor of its own in the file. */
function compareStacked(
  golden: Golden,
  names: readonly string[],
  gradient: Float32Array,
  ours: string,
): void {
  expect(names.length, ours).toBeGreaterThan(0)
  const largest = digest(gradient).max
  const size = gradient.length / names.length
  for (const [at, name] of names.entries()) {
    const wanted = golden.gradients.tensors[name] as Digest
    expect(wanted, `no gradient of ${name}`).toBeDefined()
    const part = digest(gradient.subarray(at * size, (at + 1) * size))
    // A bias of all keys moves no softmax: its gradient is zero but for rounding.
    if (wanted.max < largest * 1e-5) expect(part.max, name).toBeLessThan(largest * 1e-5)
    else expect(difference(part, wanted), name).toBeLessThanOrEqual(TOLERANCE)
  }
}
