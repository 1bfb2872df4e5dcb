import { encodeFloat16 } from '../lib/maths/float16.ts'
import { ELEMENT_TYPES, type Graph, type Initializer, type Node } from './graph.ts'

/** The largest finite float16. */
const MAX_HALF = 65_504

const LIMIT = 'espalier:largest-half'
const INFINITE = 'espalier:infinite'

/** Operators that read a constant matrix, with its place among their inputs. */
const WEIGHT_INPUTS: Readonly<Record<string, number>> = { MatMul: 1, Gemm: 1, Gather: 0 }

/** A graph whose products are computed in float16, and how many of them there are. */
export interface HalvedGraph {
  readonly graph: Graph
  /** Matrix products; tables that are looked up in are not counted. */
  readonly products: number
}

/**
 * The same graph with its plain products (MatMul and Gemm by a constant matrix) in float16, their weights stored so, as
 * are tables that rows are taken from. Everything between them stays in float32, so that nothing has to be known of other
 * operators: what a product reads is cast before it, what it gives behind it. Weights beyond float16 stay as they are.
 * @param guarded makes infinite what float16 cannot hold: CPUs compute these products in float32 and would not show it
 */
export function halveProducts(graph: Graph, guarded = false): HalvedGraph {
  const weights = new Map(graph.initializers.filter(isMatrix).map((each) => [each.name, each]))
  const taken = new Set([
    ...graph.initializers.map(({ name }) => name),
    ...graph.inputs.map(({ name }) => name),
    ...graph.nodes.flatMap(({ outputs }) => outputs),
  ])
  const fresh = (base: string): string => {
    let name = `${base}:half`
    while (taken.has(name)) name += "'"
    taken.add(name)
    return name
  }
  const halves = new Map<string, Initializer>()
  const halfOf = (weight: Initializer): string => {
    const known = halves.get(weight.name)
    if (known) return known.name
    const data = encodeFloat16(weight.data as Float32Array)
    const half = { name: fresh(weight.name), type: 'float16', dims: weight.dims, data } as const
    halves.set(weight.name, half)
    return half.name
  }
  const nodes: Node[] = []
  const guard = (value: string): string => {
    if (!guarded) return value
    const [size, isLarge, bounded] = [fresh(value), fresh(value), fresh(value)]
    nodes.push(
      plainNode('Abs', [value], size),
      plainNode('Greater', [size, LIMIT], isLarge),
      plainNode('Where', [isLarge, INFINITE, value], bounded),
    )
    return bounded
  }
  let products = 0
  for (const node of graph.nodes) {
    const place = WEIGHT_INPUTS[node.domain === '' ? node.op : '']
    const weight = place === undefined ? undefined : weights.get(node.inputs[place] ?? '')
    const [output] = node.outputs
    if (weight === undefined || place === undefined || output === undefined) {
      nodes.push(node)
      continue
    }
    const inputs = node.inputs.map((name, at) => {
      if (at === place) return halfOf(weight)
      // Rows are taken by numbers; Gemm may have no third input.
      if (node.op === 'Gather' || name === '') return name
      const read = guard(name)
      const cast = fresh(name)
      nodes.push(plainNode('Cast', [read], cast, { to: ELEMENT_TYPES.float16 }))
      return cast
    })
    const given = fresh(output)
    nodes.push({ ...node, inputs, outputs: [given] })
    const wide = { to: ELEMENT_TYPES.float32 }
    if (node.op === 'Gather' || !guarded) {
      nodes.push(plainNode('Cast', [given], output, wide))
    } else {
      const value = fresh(output)
      nodes.push(plainNode('Cast', [given], value, wide))
      nodes.push(plainNode('Identity', [guard(value)], output))
    }
    if (node.op !== 'Gather') products++
  }
  const used = new Set([
    ...nodes.flatMap(({ inputs }) => inputs),
    ...graph.outputs.map(({ name }) => name),
  ])
  const kept = graph.initializers.filter(({ name }) => used.has(name))
  const limits = guarded
    ? [scalar(LIMIT, MAX_HALF), scalar(INFINITE, Number.POSITIVE_INFINITY)]
    : []
  const initializers = [...kept, ...halves.values(), ...limits]
  return { graph: { ...graph, nodes, initializers }, products }
}

/** True for float32 numbers in rows and columns that float16 has all of. */
function isMatrix({ type, dims, data }: Initializer): boolean {
  if (type !== 'float32' || dims.length < 2) return false
  for (const value of data as Float32Array) if (!(Math.abs(value) <= MAX_HALF)) return false
  return true
}

function plainNode(
  op: string,
  inputs: readonly string[],
  output: string,
  attributes: Node['attributes'] = {},
): Node {
  return { name: `${output}:${op}`, op, domain: '', inputs, outputs: [output], attributes }
}

function scalar(name: string, value: number): Initializer {
  return { name, type: 'float32', dims: [], data: Float32Array.of(value) }
}
