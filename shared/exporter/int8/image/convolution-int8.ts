import { type Graph, type Initializer, MICROSOFT_DOMAIN, type Node } from '../../../onnx/graph.ts'
import type { ConvolutionPlan, ConvolutionSite } from './convolution-sites.ts'
import type { ConvolutionCalibration, Grid, ImageCalibration } from './image-calibration-file.ts'
import { type QuantizedConvolution, quantizeConvolution } from './quantize-convolution.ts'

/** Part of the fingerprint: another number for every change that moves vectors. */
export const CONVOLUTION_SCHEME = 'static-u8s8-pairs-1'

/**
 * The graph with its convolutions in static int8: uint8 between them, a step for each output's weights. Nothing is
 * measured at run time, and sums are integers, so an image's neighbours cannot move its vector. Operators that
 * know no uint8 get real numbers.
 */
export function buildConvolutionInt8(
  graph: Graph,
  plan: ConvolutionPlan,
  grids: ReadonlyMap<string, Grid>,
  calibration: ImageCalibration,
): Graph {
  const writer = new Int8Writer(graph, grids)
  for (const node of graph.nodes) {
    const site = plan.sites.get(node)
    const passing = plan.passing.get(node)
    if (site) {
      const learnt = calibration.sites[site.output] as ConvolutionCalibration
      const grid = grids.get(site.input) as Grid
      writer.addConvolution(site, quantizeConvolution(site, grid, learnt))
    } else if (passing !== undefined) writer.addPassing(node, passing)
    else if (!plan.absorbed.has(node)) writer.addFloat(node)
  }
  for (const { name } of graph.outputs) writer.needFloat(name)
  return writer.finish(graph)
}

/** Writes nodes one by one; a value is converted where it is first needed in its other form. */
class Int8Writer {
  readonly #grids: ReadonlyMap<string, Grid>
  readonly #nodes: Node[] = []
  readonly #constants = new Map<string, Initializer>()
  /** Values that exist as real numbers. */
  readonly #floats: Set<string>
  readonly #bytes = new Set<string>()

  constructor(graph: Graph, grids: ReadonlyMap<string, Grid>) {
    this.#grids = grids
    this.#floats = new Set([...graph.inputs, ...graph.initializers].map(({ name }) => name))
  }

  addConvolution(site: ConvolutionSite, { weights, scale, bias }: QuantizedConvolution): void {
    const { node, input, output, outputs } = site
    const dims = [outputs]
    const key = `${output}.int8`
    const [rows, columns] = site.kernel
    const shape = [outputs, site.taps / (rows * columns), rows, columns]
    const inputs = [
      this.#needBytes(input),
      ...this.#gridOf(input),
      this.#constant(`${key}.weights`, 'int8', shape, weights),
      this.#constant(`${key}.scale`, 'float32', dims, scale),
      this.#constant(`${key}.zero`, 'int8', dims, new Int8Array(outputs)),
      ...this.#gridOf(output),
      this.#constant(`${key}.bias`, 'int32', dims, bias),
    ]
    this.#add('QLinearConv', inputs, this.#byte(output), node.attributes)
  }

  addPassing(node: Node, output: string): void {
    const inputs = node.inputs.map((name) => this.#needBytes(name))
    if (node.op === 'MaxPool') {
      this.#add('MaxPool', inputs, this.#byte(output), node.attributes)
      return
    }
    const triples = node.inputs.map((name, i) => [inputs[i] as string, ...this.#gridOf(name)])
    const grid = this.#gridOf(output)
    if (node.op === 'Add') {
      this.#add(
        'QLinearAdd',
        [...triples.flat(), ...grid],
        this.#byte(output),
        {},
        MICROSOFT_DOMAIN,
      )
    } else {
      const all = [...grid, ...triples.flat()]
      this.#add('QLinearConcat', all, this.#byte(output), node.attributes, MICROSOFT_DOMAIN)
    }
  }

  addFloat(node: Node): void {
    for (const name of node.inputs) if (name !== '') this.needFloat(name)
    this.#nodes.push(node)
    for (const name of node.outputs) this.#floats.add(name)
  }

  /** Makes sure that a value is there as real numbers, under its own name. */
  needFloat(name: string): void {
    if (this.#floats.has(name)) return
    this.#add('DequantizeLinear', [byteName(name), ...this.#gridOf(name)], name)
    this.#floats.add(name)
  }

  finish(graph: Graph): Graph {
    const read = new Set(this.#nodes.flatMap(({ inputs }) => inputs))
    const kept = graph.initializers.filter(({ name }) => read.has(name))
    return { ...graph, nodes: this.#nodes, initializers: [...kept, ...this.#constants.values()] }
  }

  #needBytes(name: string): string {
    if (this.#bytes.has(name)) return byteName(name)
    this.#add('QuantizeLinear', [name, ...this.#gridOf(name)], this.#byte(name))
    return byteName(name)
  }

  #byte(name: string): string {
    this.#bytes.add(name)
    return byteName(name)
  }

  #gridOf(name: string): [string, string] {
    const { step, zero } = this.#grids.get(name) as Grid
    return [
      this.#constant(`espalier.step.${step}`, 'float32', [], Float32Array.of(step)),
      this.#constant(`espalier.zero.${zero}`, 'uint8', [], Uint8Array.of(zero)),
    ]
  }

  /** Equal names mean equal constants. */
  #constant(
    name: string,
    type: Initializer['type'],
    dims: readonly number[],
    data: ArrayBufferView,
  ): string {
    if (!this.#constants.has(name)) this.#constants.set(name, { name, type, dims, data })
    return name
  }

  #add(
    op: string,
    inputs: readonly string[],
    output: string,
    attributes: Node['attributes'] = {},
    domain = '',
  ): void {
    this.#nodes.push({ name: `${output}.${op}`, op, domain, inputs, outputs: [output], attributes })
  }
}

function byteName(name: string): string {
  return `${name}.uint8`
}
