import { EspalierError } from '../lib/errors.ts'
import type { Graph, Node } from './graph.ts'

/** Nodes that only matter while a network is trained, or not at all. */
const PASSING = ['Identity', 'Dropout']

/** The graph without nodes that pass their first input on, as inference does. */
export function bypassIdentities(graph: Graph): Graph {
  const stands = new Map<string, string>()
  const resolve = (name: string): string => stands.get(name) ?? name
  const kept: Node[] = []
  const outputs = new Set(graph.outputs.map(({ name }) => name))
  const read = new Set(graph.nodes.flatMap((node) => node.inputs))
  for (const node of graph.nodes) {
    const [made = '', mask = ''] = node.outputs
    const passes = PASSING.includes(node.op) && node.domain === '' && !read.has(mask)
    if (passes && !outputs.has(made) && !outputs.has(mask)) {
      stands.set(made, resolve(node.inputs[0] ?? ''))
    } else kept.push({ ...node, inputs: node.inputs.map(resolve) })
  }
  return { ...graph, nodes: kept }
}

/**
 * The part of a graph that some of its values depend on, in the same order; what else there was is gone. The
 * outputs are left to the caller.
 * @throws EspalierError `invalid_request` for a value that no node makes
 */
export function cutGraph(graph: Graph, values: readonly string[]): Omit<Graph, 'outputs'> {
  const makers = makersOf(graph)
  const needed = new Set<Node>()
  const read = new Set<string>()
  const pending = values.map((value) => {
    const maker = makers.get(value)
    if (maker) return maker
    throw new EspalierError('invalid_request', `the graph has no layer ${value}`)
  })
  for (let node = pending.pop(); node; node = pending.pop()) {
    if (needed.has(node)) continue
    needed.add(node)
    for (const name of node.inputs) {
      read.add(name)
      const maker = makers.get(name)
      if (maker) pending.push(maker)
    }
  }
  return {
    name: graph.name,
    opset: graph.opset,
    inputs: graph.inputs.filter(({ name }) => read.has(name)),
    initializers: graph.initializers.filter(({ name }) => read.has(name)),
    nodes: graph.nodes.filter((node) => needed.has(node)),
  }
}

/**
 * Values that everything from the inputs to the outputs goes through, in order: where a graph can be cut in two.
 * The branches of a residual block are not among them, their sum is.
 */
export function findBottlenecks(graph: Graph): { readonly value: string; readonly node: Node }[] {
  const lastUse = new Map<string, number>()
  graph.nodes.forEach((node, at) => {
    for (const name of node.inputs) lastUse.set(name, at)
  })
  const bottlenecks: { value: string; node: Node }[] = []
  const open = new Set(graph.inputs.map(({ name }) => name))
  graph.nodes.forEach((node, at) => {
    for (const name of node.outputs) if (lastUse.has(name)) open.add(name)
    for (const name of open) if ((lastUse.get(name) ?? -1) <= at) open.delete(name)
    const [value] = node.outputs
    const isEnd = open.size === 0 && graph.outputs.some(({ name }) => name === value)
    const isAlone = open.size === 1 && open.has(value ?? '')
    if (value !== undefined && (isEnd || isAlone)) bottlenecks.push({ value, node })
  })
  return bottlenecks
}

/** The node that makes each value. */
export function makersOf({ nodes }: Pick<Graph, 'nodes'>): Map<string, Node> {
  const makers = new Map<string, Node>()
  for (const node of nodes) {
    for (const name of node.outputs) if (name !== '') makers.set(name, node)
  }
  return makers
}
