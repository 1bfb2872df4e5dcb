import { describe, expect, it } from 'vitest'
import {
  buildScoringGraph,
  buildTrainingGraph,
} from '../../../shared/finetune/graph/training-graph.ts'
import type { TrainingGraph, TrainingGraphOptions } from '../../../shared/finetune/graph/types.ts'
import {
  createTextTrunk,
  type LowerGraph,
  outputDimension,
  type TextTrunk,
  type TextTrunkOptions,
} from '../../../shared/finetune/text/text-trunk.ts'
import type { Loss, Trainable } from '../../../shared/finetune/types.ts'
import type { Graph } from '../../../shared/onnx/graph.ts'
import { serializeModel } from '../../../shared/onnx/writer.ts'
import { openSession } from '../../../shared/runtime/session.ts'
import {
  createRandom,
  type RandomWeightsOptions,
  randomWeights,
} from '../../fakes/random-weights.ts'
import { numericGradient } from '../../reference/central-differences.ts'
import { interpret } from '../../reference/interpreter.ts'
import { type Tensor, tensor } from '../../reference/tensor.ts'

type Feeds = Record<string, Tensor>

const CLASSES = 3
const LENGTHS = [4, 2, 3, 1]
const [ROWS, TOKENS] = [LENGTHS.length, 4]

const LOSSES: Readonly<Record<string, { loss: Loss; classWeights?: Float32Array }>> = {
  'cross-entropy': { loss: { kind: 'cross-entropy', smoothing: 0 } },
  'cross-entropy, smoothed and weighted': {
    loss: { kind: 'cross-entropy', smoothing: 0.2 },
    classWeights: Float32Array.of(0.5, 2, 1.25),
  },
  'binary cross-entropy': { loss: { kind: 'binary-cross-entropy' } },
  'binary cross-entropy, weighted': {
    loss: { kind: 'binary-cross-entropy' },
    classWeights: Float32Array.of(0.5, 2, 1.25),
  },
  'cosine-softmax': { loss: { kind: 'cosine-softmax', scale: 8 } },
  contrastive: { loss: { kind: 'contrastive' } },
}
const SETS: readonly Trainable[] = [{ kind: 'all' }, { kind: 'layers', count: 1 }, { kind: 'head' }]

function optionsOf(
  variant: Partial<RandomWeightsOptions>,
  trainable: Trainable,
  lossName: string,
  pooling: TextTrunkOptions['pooling'] = 'mean',
): TrainingGraphOptions<TextTrunk> {
  const { loss, classWeights = null } = LOSSES[lossName] as (typeof LOSSES)[string]
  const weights = randomWeights({ seed: 5, layers: 2, ...variant })
  const random = createRandom(77)
  const draw = (count: number) => Float32Array.from({ length: count }, () => 4 * random() - 2)
  const dimension = outputDimension(weights)
  const initialHead = { weight: draw(CLASSES * dimension), bias: draw(CLASSES) }
  const trunk = createTextTrunk({ weights, pooling, trainable })
  return { trunk, loss, classes: CLASSES, initialHead, classWeights }
}

function batchFeeds(): { ids: Tensor; mask: Tensor } {
  const grid = LENGTHS.flatMap((length) =>
    Array.from({ length: TOKENS }, (_, i) => Number(i < length)),
  )
  const ids = grid.map((used, i) => (used ? 1 + ((i * 7) % 10) : 0))
  return { ids: tensor([ROWS, TOKENS], ids), mask: tensor([ROWS, TOKENS], grid) }
}

function targetFeeds({ loss }: TrainingGraphOptions): Feeds {
  if (loss.kind === 'contrastive') {
    const pairs = Array.from({ length: ROWS * ROWS }, (_, i) => i)
    return {
      targets: tensor(
        [ROWS, ROWS],
        pairs.map((i) => Number(i % 3 === 0)),
      ),
      pair_weights: tensor(
        [ROWS, ROWS],
        pairs.map((i) => (i * 5) % 3),
      ),
    }
  }
  const targets = new Float64Array(ROWS * CLASSES)
  for (let row = 0; row < ROWS; row++) {
    targets[row * CLASSES + (row % CLASSES)] = 1
    if (loss.kind === 'binary-cross-entropy' && row % 2) targets[row * CLASSES] = 1
  }
  return { targets: { dims: [ROWS, CLASSES], data: targets } }
}

/** All inputs of a training graph, what its frozen part computes included, in float64. */
function allFeeds(options: TrainingGraphOptions<TextTrunk>, training: TrainingGraph): Feeds {
  const { ids, mask } = batchFeeds()
  const feeds = targetFeeds(options)
  for (const { name, dims, initial } of training.parameters) feeds[name] = tensor(dims, initial)
  const { start } = training.batch
  if ('mask' in start) feeds[start.mask] = mask
  if (start.kind === 'ids') return { ...feeds, [start.ids]: ids }
  const lower = options.trunk.buildLower() as LowerGraph
  const [output] = interpret(lower.graph)({ ids, mask }, [lower.output])
  const rounded = { dims: (output as Tensor).dims, data: (output as Tensor).data.map(Math.fround) }
  return { ...feeds, [start.kind === 'states' ? start.states : 'embeddings']: rounded }
}

async function runInRuntime(graph: Graph, feeds: Feeds, names: readonly string[]) {
  const session = await openSession(serializeModel(graph).graph, { optimization: 'disabled' })
  try {
    const given = Object.entries(feeds).map(([name, { dims, data }]) => [
      name,
      { dims, data: name === 'ids' ? Int32Array.from(data) : Float32Array.from(data) },
    ])
    const found = await session.run(Object.fromEntries(given), names)
    return names.map((name) => Array.from(found[name]?.data as Float32Array))
  } finally {
    await session.release()
  }
}

function largest(values: readonly number[]): number {
  return values.reduce((max, value) => Math.max(max, Math.abs(value)), 0)
}

async function expectSlopes(options: TrainingGraphOptions<TextTrunk>): Promise<void> {
  const training = buildTrainingGraph(options)
  const feeds = allFeeds(options, training)
  const { gradients, gradientNorm } = training.outputs
  const names = [...gradients, gradientNorm]
  const found = await runInRuntime(training.graph, feeds, names)
  const scoring = buildScoringGraph(options)
  const run = interpret(scoring.graph)
  let squares = 0
  for (const [i, { name }] of training.parameters.entries()) {
    const wanted = numericGradient((changed) => {
      const [loss] = run({ ...feeds, [name]: changed }, [scoring.outputs.loss])
      return (loss as Tensor).data[0] as number
    }, feeds[name] as Tensor)
    const gradient = found[i] as number[]
    const difference = largest(gradient.map((value, at) => value - (wanted[at] as number)))
    expect(difference, name).toBeLessThan(1e-4 * largest(wanted))
    squares += wanted.reduce((sum, value) => sum + value * value, 0)
  }
  const norm = found.at(-1)?.[0] as number
  expect(Math.abs(norm / Math.sqrt(squares) - 1)).toBeLessThan(1e-4)
}

const ALL = Object.keys(LOSSES).flatMap((loss) =>
  SETS.filter(({ kind }) => loss !== 'contrastive' || kind !== 'head').map((trainable) => ({
    name: `${loss}, ${trainable.kind}`,
    loss,
    trainable,
  })),
)

/** Gradients against central differences of a plain interpreter, for the combinations that are named, or for all. */
export function describeSlopes(chosen: readonly string[] = ALL.map(({ name }) => name)): void {
  const CASES = ALL.filter(({ name }) => chosen.includes(name))
  describe('gradients on a random encoder', () => {
    it.each(CASES)('are slopes of the loss: $name', async ({ loss, trainable }) => {
      await expectSlopes(optionsOf({}, trainable, loss))
    })

    it.each(['relu', 'gelu_new'] as const)('go through %s', async (activation) => {
      await expectSlopes(optionsOf({ activation }, { kind: 'all' }, 'cross-entropy'))
    })

    it.each(['cls', 'max'] as const)('go through pooling by %s', async (pooling) => {
      await expectSlopes(optionsOf({}, { kind: 'all' }, 'cross-entropy', pooling))
    })

    it.each(['Identity', 'Tanh', 'ReLU', 'GELU', 'Sigmoid'] as const)(
      'go through a dense layer with %s',
      async (dense) => {
        await expectSlopes(optionsOf({ dense }, { kind: 'layers', count: 1 }, 'cross-entropy'))
      },
    )
  })

  describe('the scoring graph', () => {
    it.each(CASES)('gives the values of the reference interpreter: $name', async (example) => {
      const options = optionsOf({}, example.trainable, example.loss)
      const training = buildTrainingGraph(options)
      const feeds = allFeeds(options, training)
      const { graph, outputs } = buildScoringGraph(options)
      const names = [outputs.loss, outputs.scores, outputs.embedding]
      const found = await runInRuntime(graph, feeds, names)
      for (const [i, wanted] of interpret(graph)(feeds, names).entries()) {
        const values = found[i] as number[]
        const difference = largest(values.map((value, at) => value - (wanted.data[at] as number)))
        expect(difference, names[i]).toBeLessThan(
          5e-6 * Math.max(1, largest(Array.from(wanted.data))),
        )
      }
      const same = [training.outputs.loss, training.outputs.scores]
      expect(await runInRuntime(training.graph, feeds, same)).toEqual(found.slice(0, 2))
    })
  })
}
