import { addStack } from '../exporter/encoder-graph.ts'
import { poolStates } from '../exporter/pooling-graph.ts'
import { addGradients } from '../onnx/autodiff.ts'
import { GraphBuilder } from '../onnx/graph.ts'
import { outputDimension, scoreScale } from './affine-head.ts'
import { addLoss } from './losses.ts'
import { firstTrained, listParameters } from './parameters.ts'
import { createTrainingDialect } from './training-dialect.ts'
import type {
  BatchInputs,
  BatchStart,
  LowerGraph,
  Parameter,
  ScoringGraph,
  TrainingGraph,
  TrainingGraphOptions,
} from './types.ts'

interface Forward {
  readonly parameters: readonly Parameter[]
  readonly batch: BatchInputs
  readonly embedding: string
  readonly loss: string
  readonly scores: string
}

type LowerOptions = Pick<TrainingGraphOptions, 'weights' | 'pooling' | 'trainable'>

/**
 * Builds forward pass, loss and gradients of the trainable tensors.
 * @throws EspalierError `invalid_request` for a head or a number of layers that does not fit
 */
export function buildTrainingGraph(options: TrainingGraphOptions): TrainingGraph {
  const g = new GraphBuilder('training')
  const { parameters, batch, loss, scores } = addForward(g, options)
  const names = parameters.map(({ name }) => name)
  const gradients = addGradients(g, loss, names)
  gradients.forEach((gradient, i) => {
    g.output(gradient, gradient, 'float32', (parameters[i] as Parameter).dims)
  })
  const gradientNorm = addNorm(g, gradients)
  g.output('loss', loss, 'float32', [])
  g.output('scores', scores, 'float32', scoreShape(options))
  g.output('gradient_norm', gradientNorm, 'float32', [])
  return {
    graph: g.build(),
    parameters,
    batch,
    outputs: { loss: 'loss', scores: 'scores', gradientNorm: 'gradient_norm', gradients },
  }
}

/** Builds the forward pass with loss, scores and embeddings, for validation between steps. */
export function buildScoringGraph(options: TrainingGraphOptions): ScoringGraph {
  const g = new GraphBuilder('scoring')
  const { parameters, batch, embedding, loss, scores } = addForward(g, options)
  const dimension = outputDimension(options.weights)
  g.output('loss', loss, 'float32', [])
  g.output('scores', scores, 'float32', scoreShape(options))
  g.output('embedding', embedding, 'float32', ['batch', dimension])
  return {
    graph: g.build(),
    parameters,
    batch,
    outputs: { loss: 'loss', scores: 'scores', embedding: 'embedding' },
  }
}

/** Builds the frozen part below the trainable one, for a cache; null where all layers are trained. */
export function buildLowerGraph({ weights, pooling, trainable }: LowerOptions): LowerGraph | null {
  const to = firstTrained(weights, trainable)
  if (to === 0) return null
  const g = new GraphBuilder('lower')
  const { hidden } = weights.config
  const ids = g.input('ids', 'int32', ['batch', 'tokens'])
  const mask = g.input('mask', 'float32', ['batch', 'tokens'])
  const dialect = createTrainingDialect(weights, new Set())
  const states = addStack(g, { weights, dialect, start: { ids }, mask, to })
  if (trainable.kind === 'head') {
    const { embedding } = poolStates(g, { states, mask, pooling, hidden, dense: weights.dense })
    g.output('embedding', embedding, 'float32', ['batch', outputDimension(weights)])
    return { graph: g.build(), ids, mask, output: 'embedding' }
  }
  g.output('states', states, 'float32', ['batch', 'tokens', hidden])
  return { graph: g.build(), ids, mask, output: 'states' }
}

function addForward(g: GraphBuilder, options: TrainingGraphOptions): Forward {
  const { weights, loss, classes, classWeights } = options
  const parameters = listParameters(options)
  const { start, embedding } = addEmbedding(g, options, parameters)
  for (const { name, dims, group } of parameters) {
    if (group === 'head') g.input(name, 'float32', dims)
  }
  const targets = g.input('targets', 'float32', scoreShape(options))
  const pairWeights =
    loss.kind === 'contrastive' ? g.input('pair_weights', 'float32', ['batch', 'batch']) : null
  const scale = scoreScale(weights, loss)
  const input = { embedding, targets, pairWeights, loss, scale, classes, classWeights }
  const batch = { start, targets, pairWeights }
  return { parameters, batch, embedding, ...addLoss(g, input) }
}

function addEmbedding(
  g: GraphBuilder,
  { weights, pooling, trainable }: LowerOptions,
  parameters: readonly Parameter[],
): { start: BatchStart; embedding: string } {
  const { hidden } = weights.config
  if (trainable.kind === 'head') {
    const dims = ['batch', outputDimension(weights)]
    const embeddings = g.input('embeddings', 'float32', dims)
    return { start: { kind: 'embeddings', embeddings }, embedding: embeddings }
  }
  const from = firstTrained(weights, trainable)
  const start: BatchStart =
    from === 0
      ? {
          kind: 'ids',
          ids: g.input('ids', 'int32', ['batch', 'tokens']),
          mask: g.input('mask', 'float32', ['batch', 'tokens']),
        }
      : {
          kind: 'states',
          states: g.input('states', 'float32', ['batch', 'tokens', hidden]),
          mask: g.input('mask', 'float32', ['batch', 'tokens']),
        }
  const { mask } = start
  const dialect = createTrainingDialect(weights, new Set(parameters.map(({ name }) => name)))
  const states = addStack(g, { weights, dialect, start, mask, from })
  const { embedding } = poolStates(g, { states, mask, pooling, hidden, dense: weights.dense })
  return { start, embedding }
}

function scoreShape({ loss, classes }: TrainingGraphOptions): (string | number)[] {
  return ['batch', loss.kind === 'contrastive' ? 'batch' : classes]
}

function addNorm(g: GraphBuilder, gradients: readonly string[]): string {
  const squares = gradients.map((name) => g.op('ReduceSumSquare', [name], { keepdims: 0 }))
  return g.op('Sqrt', [g.op('Sum', squares)])
}
