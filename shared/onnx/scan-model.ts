import { ELEMENT_TYPES } from './graph.ts'
import { ProtobufReader } from './protobuf-reader.ts'

/** A value at the edge of a model: null where the file says nothing of its shape, names for free sizes. */
export interface ScannedValue {
  readonly name: string
  /** Number of the type in `TensorProto.DataType`; 0 where it is no tensor. */
  readonly type: number
  readonly shape: readonly (number | string)[] | null
}

/** What a model's file says of itself, whatever its operators are. */
export interface ModelScan {
  /** Names of all operators, bodies of control flow and functions included. */
  readonly operators: ReadonlySet<string>
  readonly inputs: readonly ScannedValue[]
  readonly outputs: readonly ScannedValue[]
  /** Files beside the model that tensors lie in. */
  readonly dataFiles: ReadonlySet<string>
  /** Whether most of its weights, by number, are float16. */
  readonly isHalf: boolean
  /** Numbers of its weights: of all tensors but scalars, indices and sizes. */
  readonly parameters: number
}

/** Control flow in control flow: far beyond what exporters write. */
const MAX_DEPTH = 16
const EXTERNAL_LOCATION = 1

interface Found {
  readonly operators: Set<string>
  readonly dataFiles: Set<string>
  readonly initializers: Set<string>
  half: number
  float: number
  parameters: number
}

/** Types of indices and sizes. */
const INDICES: readonly number[] = [ELEMENT_TYPES.int64, ELEMENT_TYPES.int32, ELEMENT_TYPES.bool]

/**
 * Reads what a model is made of without its weights, also of models that `parseModel` refuses.
 * @throws EspalierError `invalid_model_file` for a damaged file
 */
export function scanModel(bytes: Uint8Array): ModelScan {
  const found: Found = {
    operators: new Set(),
    dataFiles: new Set(),
    initializers: new Set(),
    half: 0,
    float: 0,
    parameters: 0,
  }
  const inputs: ScannedValue[] = []
  const outputs: ScannedValue[] = []
  const reader = new ProtobufReader(bytes, 'the model')
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 7) scanGraph(reader.message('the graph'), found, 0, { inputs, outputs })
    else if (field === 25) scanFunction(reader.message('a function'), found)
    else reader.skip()
  }
  const { operators, dataFiles, initializers, half, float, parameters } = found
  // Files of the first years list their weights as inputs as well.
  const own = inputs.filter(({ name }) => !initializers.has(name))
  return { operators, inputs: own, outputs, dataFiles, isHalf: half > float, parameters }
}

function scanGraph(
  reader: ProtobufReader,
  found: Found,
  depth: number,
  edge?: { readonly inputs: ScannedValue[]; readonly outputs: ScannedValue[] },
): void {
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) scanNode(reader.message('a node'), found, depth)
    else if (field === 5) scanTensor(reader.message('a tensor'), found)
    else if (field === 11 && edge) edge.inputs.push(scanValue(reader.message('an input')))
    else if (field === 12 && edge) edge.outputs.push(scanValue(reader.message('an output')))
    else reader.skip()
  }
}

function scanFunction(reader: ProtobufReader, found: Found): void {
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 7) scanNode(reader.message('a node'), found, 0)
    else reader.skip()
  }
}

function scanNode(reader: ProtobufReader, found: Found, depth: number): void {
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 4) found.operators.add(reader.string())
    else if (field === 5) scanAttribute(reader.message('an attribute'), found, depth + 1)
    else reader.skip()
  }
}

function scanAttribute(reader: ProtobufReader, found: Found, depth: number): void {
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 5 || field === 10) scanTensor(reader.message('a tensor'), found)
    else if ((field === 6 || field === 11) && depth < MAX_DEPTH) {
      scanGraph(reader.message('a graph'), found, depth)
    } else reader.skip()
  }
}

function scanTensor(reader: ProtobufReader, found: Found): void {
  let count = 1
  let type = 0
  let isExternal = false
  const locations: string[] = []
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) for (const size of reader.integers()) count *= size
    else if (field === 2) type = reader.integer()
    else if (field === 8) found.initializers.add(reader.string())
    else if (field === 13) locations.push(...scanLocation(reader.message('external data')))
    else if (field === 14) isExternal = reader.integer() === EXTERNAL_LOCATION
    else reader.skip()
  }
  if (type === ELEMENT_TYPES.float16) found.half += count
  if (type === ELEMENT_TYPES.float32) found.float += count
  if (count > 1 && !INDICES.includes(type)) found.parameters += count
  if (isExternal) for (const location of locations) found.dataFiles.add(location)
}

function scanLocation(reader: ProtobufReader): string[] {
  let key = ''
  let value = ''
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) key = reader.string()
    else if (field === 2) value = reader.string()
    else reader.skip()
  }
  return key === 'location' ? [value] : []
}

function scanValue(reader: ProtobufReader): ScannedValue {
  let name = ''
  let type = 0
  let shape: (number | string)[] | null = null
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) name = reader.string()
    else if (field === 2) {
      const outer = reader.message('a type')
      for (let part = outer.next(); part !== 0; part = outer.next()) {
        if (part !== 1) {
          outer.skip()
          continue
        }
        const tensor = outer.message('a tensor type')
        for (let own = tensor.next(); own !== 0; own = tensor.next()) {
          if (own === 1) type = tensor.integer()
          else if (own === 2) shape = scanShape(tensor.message('a shape'))
          else tensor.skip()
        }
      }
    } else reader.skip()
  }
  return { name, type, shape }
}

function scanShape(reader: ProtobufReader): (number | string)[] {
  const shape: (number | string)[] = []
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field !== 1) {
      reader.skip()
      continue
    }
    const inner = reader.message('a dimension')
    let size: number | string = ''
    for (let part = inner.next(); part !== 0; part = inner.next()) {
      if (part === 1) size = inner.integer()
      else if (part === 2) size = inner.string()
      else inner.skip()
    }
    shape.push(size)
  }
  return shape
}
