import { EspalierError } from '../../lib/errors.ts'
import { addGradients } from '../../onnx/autodiff.ts'
import { GraphBuilder } from '../../onnx/graph.ts'
import { addLoss, scoreScale } from './losses.ts'
import type {
  BatchInputs,
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

/**
 * Builds forward pass, loss and gradients of the trainable tensors.
 * @throws EspalierError `invalid_request` for a head or a number of layers that does not fit
 */
export function buildTrainingGraph(options: TrainingGraphOptions): TrainingGraph {
  const g = new GraphBuilder('training', options.trunk.opset)
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
  const g = new GraphBuilder('scoring', options.trunk.opset)
  const { parameters, batch, embedding, loss, scores } = addForward(g, options)
  const { dimension } = options.trunk
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

function addForward(g: GraphBuilder, options: TrainingGraphOptions): Forward {
  const { trunk, loss, classes, classWeights } = options
  const parameters = listParameters(options)
  const { start, embedding } = trunk.addTrained(g)
  for (const { name, dims, group } of parameters) {
    if (group === 'head') g.input(name, 'float32', dims)
  }
  const targets = g.input('targets', 'float32', scoreShape(options))
  const pairWeights =
    loss.kind === 'contrastive' ? g.input('pair_weights', 'float32', ['batch', 'batch']) : null
  const scale = scoreScale(trunk.dimension, loss)
  const input = { embedding, targets, pairWeights, loss, scale, classes, classWeights }
  const batch = { start, targets, pairWeights }
  return { parameters, batch, embedding, ...addLoss(g, input) }
}

function scoreShape({ loss, classes }: TrainingGraphOptions): (string | number)[] {
  return ['batch', loss.kind === 'contrastive' ? 'batch' : classes]
}

function addNorm(g: GraphBuilder, gradients: readonly string[]): string {
  const squares = gradients.map((name) => g.op('ReduceSumSquare', [name], { keepdims: 0 }))
  return g.op('Sqrt', [g.op('Sum', squares)])
}

type HeadOptions = Pick<TrainingGraphOptions, 'trunk' | 'loss' | 'classes' | 'initialHead'>

/**
 * The tensors that are trained, the encoder's first.
 * @throws EspalierError `invalid_request`
 */
export function listParameters(options: HeadOptions): Parameter[] {
  const parameters = [...options.trunk.parameters, ...listHead(options)]
  if (parameters.length === 0) {
    throw new EspalierError(
      'invalid_request',
      'a contrastive loss has no output layer to train: train all or some layers',
    )
  }
  return parameters
}

function listHead({ trunk, loss, classes, initialHead }: HeadOptions): Parameter[] {
  if (loss.kind === 'contrastive') return []
  const { dimension } = trunk
  const { weight, bias } = initialHead ?? {}
  if (weight?.length !== classes * dimension || bias?.length !== classes || classes < 1) {
    throw new EspalierError(
      'invalid_request',
      `the head to start from must have ${classes} rows of ${dimension} weights and ${classes} biases`,
    )
  }
  const matrix: Parameter = {
    name: 'head.weight',
    dims: [classes, dimension],
    group: 'head',
    decay: true,
    initial: weight.map((value) => value / scoreScale(dimension, loss)),
  }
  if (loss.kind === 'cosine-softmax') return [matrix]
  return [
    matrix,
    { name: 'head.bias', dims: [classes], group: 'head', decay: false, initial: bias },
  ]
}
