import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Graph, GraphBuilder } from '../../shared/onnx/graph.ts'
import { serializeModel } from '../../shared/onnx/writer.ts'

/** Words of the tokenizer of test/golden/checkpoints/bert-mean. */
const WORDS = 237
export const TINY_WIDTH = 6

/** What a tiny graph of texts gives, and how. */
export interface TinyTextGraph {
  /** Names of outputs; what they hold follows from the name. @default ['last_hidden_state'] */
  readonly outputs?: readonly string[]
  /** Hidden states go through an int8 grid whose scale is that of the run. */
  readonly dynamic?: boolean
  /** Sizes of ids and mask. @default free */
  readonly shape?: readonly [rows: number | string, tokens: number | string]
  readonly type?: 'float32' | 'float16'
}

/** Looks words up in a table: hidden states, their largest values as `sentence_embedding`, three `logits`. */
export function buildTinyTextGraph({
  outputs = ['last_hidden_state'],
  dynamic = false,
  shape = ['batch', 'tokens'],
  type = 'float32',
}: TinyTextGraph = {}): Graph {
  const g = new GraphBuilder('tiny')
  const ids = g.input('input_ids', 'int64', shape)
  g.input('attention_mask', 'int64', shape)
  const rows = Float32Array.from({ length: WORDS * TINY_WIDTH }, (_, i) => Math.sin(i * i + 1))
  const table = g.constant('table', 'float32', [WORDS, TINY_WIDTH], rows)
  const found = g.op('Gather', [table, ids])
  const states = dynamic ? addDynamicGrid(g, found) : found
  for (const name of outputs) {
    const [value, dims] = addOutput(g, name, states, shape)
    const cast = type === 'float16' ? g.op('Cast', [value], { to: 10 }) : value
    g.output(name, cast, type, dims)
  }
  return g.build()
}

function addDynamicGrid(g: GraphBuilder, value: string): string {
  const names = ['quantised', 'scale', 'zero']
  g.op('DynamicQuantizeLinear', [value], {}, { outputs: names })
  return g.op('DequantizeLinear', names)
}

function addOutput(
  g: GraphBuilder,
  name: string,
  states: string,
  [rows, tokens]: readonly [number | string, number | string],
) {
  if (name === 'sentence_embedding') {
    // Padding is far below every token.
    const mask = g.op('Unsqueeze', [g.op('Cast', ['attention_mask'], { to: 1 }), g.int64s(2)])
    const penalty = g.op('Mul', [g.op('Sub', [mask, g.scalar(1)]), g.scalar(100)])
    const masked = g.op('Add', [g.op('Mul', [states, mask]), penalty])
    return [g.reduce('ReduceMax', masked, 1, 0), [rows, TINY_WIDTH]] as const
  }
  if (name === 'logits' || name === 'scores') {
    const weights = Float32Array.from({ length: TINY_WIDTH * 3 }, (_, i) => Math.cos(i))
    const matrix = g.constant(`${name}_weights`, 'float32', [TINY_WIDTH, 3], weights)
    return [g.op('MatMul', [g.reduce('ReduceMax', states, 1, 0), matrix]), [rows, 3]] as const
  }
  return [g.op('Identity', [states]), [rows, tokens, TINY_WIDTH]] as const
}

/** Writes a graph to a file of a folder. @param data a file for its weights, relative to the graph's */
export function writeTinyTextGraph(
  folder: string,
  file: string,
  options: TinyTextGraph = {},
  data?: string,
): void {
  const path = join(folder, file)
  mkdirSync(dirname(path), { recursive: true })
  const model = serializeModel(buildTinyTextGraph(options), data ? { file: data } : undefined)
  writeFileSync(path, model.graph)
  if (data === undefined) return
  mkdirSync(dirname(join(dirname(path), data)), { recursive: true })
  writeFileSync(join(dirname(path), data), Buffer.concat(model.data))
}
