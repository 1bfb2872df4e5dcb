import type { EncoderWeights } from '../../exporter/source/weights.ts'
import { addStack } from '../../exporter/text/encoder-graph.ts'
import { poolStates } from '../../exporter/text/pooling-graph.ts'
import { type Graph, GraphBuilder } from '../../onnx/graph.ts'
import { outputDimension } from '../graph/affine-head.ts'
import type { BatchStart, Parameter, Trainable, Trunk } from '../graph/types.ts'
import { firstTrained, listLayers } from './parameters.ts'
import { createTrainingDialect } from './training-dialect.ts'

/** The frozen part of an encoder of texts; its output is what `start` of a batch takes. */
export interface LowerGraph {
  readonly graph: Graph
  readonly ids: string
  readonly mask: string
  /** States [batch, tokens, hidden] or embeddings [batch, dimension]. */
  readonly output: string
}

/** An encoder of texts in training. */
export interface TextTrunk extends Trunk {
  /** Builds the frozen part below the trained one, for a cache; null where all layers are trained. */
  buildLower(): LowerGraph | null
}

/** What an encoder of texts is made from, and what of it is trained. */
export interface TextTrunkOptions {
  readonly weights: EncoderWeights
  readonly pooling: 'mean' | 'cls' | 'max'
  readonly trainable: Trainable
}

/** Ours are written in it. */
const OPSET = 17

/** @throws EspalierError `invalid_request` for a number of layers that does not fit */
export function createTextTrunk(options: TextTrunkOptions): TextTrunk {
  const { weights, trainable } = options
  const parameters = listLayers(weights, trainable)
  return {
    opset: OPSET,
    dimension: outputDimension(weights),
    parameters,
    addTrained: (g) => addTrained(g, options, parameters),
    buildLower: () => buildLower(options),
  }
}

function buildLower({ weights, pooling, trainable }: TextTrunkOptions): LowerGraph | null {
  const to = firstTrained(weights, trainable)
  if (to === 0) return null
  const g = new GraphBuilder('lower', OPSET)
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

function addTrained(
  g: GraphBuilder,
  { weights, pooling, trainable }: TextTrunkOptions,
  parameters: readonly Parameter[],
): { start: BatchStart; embedding: string } {
  const { hidden } = weights.config
  if (trainable.kind === 'head') {
    const dims = ['batch', outputDimension(weights)]
    const embeddings = g.input('embeddings', 'float32', dims)
    return { start: { kind: 'embeddings', embeddings }, embedding: embeddings }
  }
  const from = firstTrained(weights, trainable)
  const start =
    from === 0
      ? ({ kind: 'ids', ids: g.input('ids', 'int32', ['batch', 'tokens']) } as const)
      : ({
          kind: 'states',
          states: g.input('states', 'float32', ['batch', 'tokens', hidden]),
        } as const)
  const mask = g.input('mask', 'float32', ['batch', 'tokens'])
  const dialect = createTrainingDialect(weights, new Set(parameters.map(({ name }) => name)))
  const entered = { ...start, mask }
  const states = addStack(g, { weights, dialect, start: entered, mask, from })
  const { embedding } = poolStates(g, { states, mask, pooling, hidden, dense: weights.dense })
  return { start: entered, embedding }
}
