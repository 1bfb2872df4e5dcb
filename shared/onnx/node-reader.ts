import { EspalierError } from '../lib/errors.ts'
import type { Attribute, Initializer, Node } from './graph.ts'
import type { ProtobufReader } from './protobuf-reader.ts'
import { type ReadExternal, readTensor } from './tensor-reader.ts'

/** Values of `AttributeProto.type` that are read. */
const FLOAT = 1
const INT = 2
const STRING = 3
const TENSOR = 4
const FLOATS = 6
const INTS = 7

/**
 * Reads a `NodeProto`.
 * @throws EspalierError `invalid_model_file`, `unsupported_model` for control flow
 */
export function readNode(reader: ProtobufReader, readExternal: ReadExternal): Node {
  const inputs: string[] = []
  const outputs: string[] = []
  const attributes: Record<string, Attribute> = {}
  let name = ''
  let op = ''
  let domain = ''
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) inputs.push(reader.string())
    else if (field === 2) outputs.push(reader.string())
    else if (field === 3) name = reader.string()
    else if (field === 4) op = reader.string()
    else if (field === 5) {
      const [key, value] = readAttribute(reader.message('an attribute'), readExternal)
      attributes[key] = value
    } else if (field === 7) domain = reader.string()
    else reader.skip()
  }
  return { name, op, domain: domain === 'ai.onnx' ? '' : domain, inputs, outputs, attributes }
}

/** The tensor that a `Constant` node stands for; null for other nodes. */
export function constantOf({ op, domain, outputs, attributes }: Node): Initializer | null {
  if (op !== 'Constant' || domain !== '') return null
  const name = outputs[0] ?? ''
  const { value, value_float, value_floats, value_int, value_ints } = attributes
  if (isObject(value) && 'tensor' in value) return { ...value.tensor, name }
  if (isObject(value_float) && 'float' in value_float) {
    return { name, type: 'float32', dims: [], data: Float32Array.of(value_float.float) }
  }
  if (isObject(value_floats) && 'floats' in value_floats) {
    const { floats } = value_floats
    return { name, type: 'float32', dims: [floats.length], data: Float32Array.from(floats) }
  }
  if (typeof value_int === 'number') {
    return { name, type: 'int64', dims: [], data: BigInt64Array.of(BigInt(value_int)) }
  }
  if (Array.isArray(value_ints)) {
    const data = BigInt64Array.from(value_ints, BigInt)
    return { name, type: 'int64', dims: [data.length], data }
  }
  throw new EspalierError('unsupported_model', `constant ${name} is of a kind that is not read`)
}

function isObject(value: Attribute | undefined): value is Exclude<Attribute, number | string> {
  return typeof value === 'object'
}

function readAttribute(reader: ProtobufReader, readExternal: ReadExternal): [string, Attribute] {
  let name = ''
  let type = 0
  let float = 0
  let int = 0
  let text = ''
  let tensor: Initializer | null = null
  const floats: number[] = []
  const ints: number[] = []
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) name = reader.string()
    else if (field === 2) float = reader.floats()[0] ?? 0
    else if (field === 3) int = reader.integer()
    else if (field === 4) text = reader.string()
    else if (field === 5) tensor = readTensor(reader.message(`tensor of ${name}`), readExternal)
    else if (field === 7) for (const value of reader.floats()) floats.push(value)
    else if (field === 8) for (const value of reader.integers()) ints.push(value)
    else if (field === 20) type = reader.integer()
    else reader.skip()
  }
  if (type === FLOAT) return [name, { float }]
  if (type === INT) return [name, int]
  if (type === STRING) return [name, text]
  if (type === TENSOR && tensor) return [name, { tensor }]
  if (type === FLOATS) return [name, { floats }]
  if (type === INTS) return [name, ints]
  const message = `attribute ${name} is of ONNX type ${type} (such as a graph of control flow), which is not supported`
  throw new EspalierError('unsupported_model', message)
}
