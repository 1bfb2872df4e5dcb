import { EspalierError } from '../lib/errors.ts'
import type { Dimension, Graph, Initializer, Node, ValueInfo } from './graph.ts'
import { constantOf, readNode } from './node-reader.ts'
import { ProtobufReader } from './protobuf-reader.ts'
import { elementTypeOf, type ReadExternal, readTensor } from './tensor-reader.ts'

/** Operator sets whose graphs are read: ONNX Runtime supports them from 7 on. */
const MIN_OPSET = 7
const MAX_OPSET = 26

/**
 * Reads an ONNX model into a plain graph, in the operator set that it was written in. Constants written as nodes
 * become initializers. Control flow, functions and sparse or quantised storage of other kinds are refused.
 * @param readExternal for tensors in files beside the model; refused where it is left out
 * @throws EspalierError `invalid_model_file` for a damaged file, `unsupported_model` for what is not read
 */
export function parseModel(bytes: Uint8Array, readExternal: ReadExternal = refuseExternal): Graph {
  const reader = new ProtobufReader(bytes, 'the model')
  let graph: Omit<Graph, 'opset'> | null = null
  let opset = 0
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 7) graph = readGraph(reader.message('the graph'), readExternal)
    else if (field === 8) opset = Math.max(opset, readOpset(reader.message('an operator set')))
    else if (field === 25) throw unsupported('functions of its own')
    else reader.skip()
  }
  if (graph === null || opset === 0) {
    const what = graph === null ? 'no graph' : 'no operator set'
    throw new EspalierError('invalid_model_file', `not an ONNX file: there is ${what} in it`)
  }
  if (opset < MIN_OPSET || opset > MAX_OPSET) {
    throw unsupported(`operator set ${opset}; supported: ${MIN_OPSET} to ${MAX_OPSET}`)
  }
  const whole = { ...graph, opset }
  checkGraph(whole)
  return whole
}

/** The version of the standard operators; 0 for those of somebody else, which nodes name if they use them. */
function readOpset(reader: ProtobufReader): number {
  let domain = ''
  let version = 0
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) domain = reader.string()
    else if (field === 2) version = reader.integer()
    else reader.skip()
  }
  return domain === '' || domain === 'ai.onnx' ? version : 0
}

function readGraph(reader: ProtobufReader, readExternal: ReadExternal): Omit<Graph, 'opset'> {
  const nodes: Node[] = []
  const initializers: Initializer[] = []
  const inputs: ValueInfo[] = []
  const outputs: ValueInfo[] = []
  let name = ''
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) {
      const node = readNode(reader.message(`node ${nodes.length}`), readExternal)
      const constant = constantOf(node)
      if (constant) initializers.push(constant)
      else nodes.push(node)
    } else if (field === 2) name = reader.string()
    else if (field === 5) initializers.push(readTensor(reader.message('a tensor'), readExternal))
    else if (field === 11) inputs.push(readValueInfo(reader.message('an input')))
    else if (field === 12) outputs.push(readValueInfo(reader.message('an output')))
    else if (field === 15) throw unsupported('sparse tensors')
    else reader.skip()
  }
  // Files of the first years list their weights as inputs as well.
  const known = new Set(initializers.map((tensor) => tensor.name))
  return {
    name,
    nodes,
    initializers,
    outputs,
    inputs: inputs.filter((each) => !known.has(each.name)),
  }
}

function readValueInfo(reader: ProtobufReader): ValueInfo {
  let name = ''
  let tensor: Omit<ValueInfo, 'name'> | null = null
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) name = reader.string()
    else if (field === 2) tensor = readType(reader.message('a type'), name)
    else reader.skip()
  }
  if (tensor) return { name, ...tensor }
  throw unsupported(`${name}, which is no tensor`)
}

function readType(reader: ProtobufReader, name: string): Omit<ValueInfo, 'name'> | null {
  let found: Omit<ValueInfo, 'name'> | null = null
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field !== 1) {
      reader.skip()
      continue
    }
    const inner = reader.message('a tensor type')
    let type = 0
    let shape: Dimension[] = []
    for (let part = inner.next(); part !== 0; part = inner.next()) {
      if (part === 1) type = inner.integer()
      else if (part === 2) shape = readShape(inner.message('a shape'))
      else inner.skip()
    }
    found = { type: elementTypeOf(type, name), shape }
  }
  return found
}

function readShape(reader: ProtobufReader): Dimension[] {
  const shape: Dimension[] = []
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field !== 1) {
      reader.skip()
      continue
    }
    const inner = reader.message('a dimension')
    let dimension: Dimension = `d${shape.length}`
    for (let part = inner.next(); part !== 0; part = inner.next()) {
      if (part === 1) dimension = inner.integer()
      else if (part === 2) dimension = inner.string() || dimension
      else inner.skip()
    }
    shape.push(dimension)
  }
  return shape
}

function refuseExternal(_: unknown, tensor: string): never {
  throw unsupported(`tensor ${tensor} in a file beside it`)
}

function unsupported(what: string): EspalierError {
  return new EspalierError('unsupported_model', `the ONNX file has ${what}; that is not supported`)
}

/**
 * Makes sure that every value is made once and before it is read, so that a graph can be walked without doubt.
 * @throws EspalierError `invalid_model_file` naming the value
 */
function checkGraph({ inputs, outputs, initializers, nodes }: Graph): void {
  const known = new Set<string>()
  for (const { name } of [...inputs, ...initializers]) {
    if (name === '' || known.has(name)) throw broken(`${name || 'a nameless value'} is made twice`)
    known.add(name)
  }
  for (const { op, inputs: read, outputs: made } of nodes) {
    if (op === '') throw broken('a node has no operator')
    const missing = read.find((name) => name !== '' && !known.has(name))
    if (missing !== undefined) throw broken(`${op} reads ${missing}, which nothing before it makes`)
    for (const name of made) {
      if (name === '') continue
      if (known.has(name)) throw broken(`${name} is made twice`)
      known.add(name)
    }
  }
  const lost = outputs.find(({ name }) => !known.has(name))
  if (lost) throw broken(`nothing makes the output ${lost.name}`)
  if (outputs.length === 0) throw broken('the graph has no output')
}

function broken(reason: string): EspalierError {
  return new EspalierError('invalid_model_file', `damaged ONNX file: ${reason}`)
}
