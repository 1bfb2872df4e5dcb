import { EspalierError } from '../lib/errors.ts'
import { countElements } from '../lib/maths/count-elements.ts'
import { ELEMENT_BYTES, ELEMENT_TYPES, type ElementType, type Initializer } from './graph.ts'
import type { ProtobufReader } from './protobuf-reader.ts'

/** No network has tensors of more axes; far below what a stack could not hold. */
const MAX_RANK = 16
const EXTERNAL_LOCATION = 1

const TYPE_OF_NUMBER = new Map<number, ElementType>(
  Object.entries(ELEMENT_TYPES).map(([name, number]) => [number, name as ElementType]),
)

/** A part of a file beside the model; `length` is null for all that follows. */
export interface ExternalPart {
  readonly location: string
  readonly offset: number
  readonly length: number | null
}

/** Reads a part of a file beside the model, or refuses it by throwing. */
export type ReadExternal = (part: ExternalPart, tensor: string) => Uint8Array

/** The element type of a number in `TensorProto.DataType`. @throws EspalierError `unsupported_model` */
export function elementTypeOf(number: number, what: string): ElementType {
  const type = TYPE_OF_NUMBER.get(number)
  if (type) return type
  const known = Object.keys(ELEMENT_TYPES).join(', ')
  const message = `${what} has elements of ONNX type ${number}; supported: ${known}`
  throw new EspalierError('unsupported_model', message)
}

/**
 * Reads a `TensorProto`: raw or typed numbers, or those of a file beside the model.
 * @throws EspalierError `invalid_model_file`, `unsupported_model`
 */
export function readTensor(reader: ProtobufReader, readExternal: ReadExternal): Initializer {
  const dims: number[] = []
  const integers: number[] = []
  const bigIntegers: bigint[] = []
  const floats: number[] = []
  const doubles: number[] = []
  const external: Record<string, string> = {}
  let name = ''
  let type = 0
  let raw: Uint8Array | null = null
  let isExternal = false
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) append(dims, reader.integers())
    else if (field === 2) type = reader.integer()
    else if (field === 4) append(floats, reader.floats())
    else if (field === 5) append(integers, reader.integers())
    else if (field === 7) append(bigIntegers, reader.bigIntegers())
    else if (field === 8) name = reader.string()
    else if (field === 9) raw = reader.bytes()
    else if (field === 10) append(doubles, reader.doubles())
    else if (field === 13) Object.assign(external, readEntry(reader.message('external data')))
    else if (field === 14) isExternal = reader.integer() === EXTERNAL_LOCATION
    else reader.skip()
  }
  const element = elementTypeOf(type, `tensor ${name}`)
  const elements = countOfTensor(dims, name)
  if (isExternal) raw = readExternal(externalPart(external, name), name)
  if (raw) return { name, type: element, dims, data: fromBytes(raw, element, elements, name) }
  const typed = { float32: floats, float64: doubles, int64: bigIntegers }
  const values = element in typed ? typed[element as keyof typeof typed] : integers
  if (values.length !== elements) {
    throw broken(name, `has ${values.length} numbers for the shape [${dims.join(', ')}]`)
  }
  return { name, type: element, dims, data: fromNumbers(values, element) }
}

/** Elements of a shape. @throws EspalierError `invalid_model_file` for one that no tensor has */
function countOfTensor(dims: readonly number[], name: string): number {
  const elements = countElements(dims)
  const isShape = dims.length <= MAX_RANK && dims.every((dim) => dim >= 0)
  if (isShape && Number.isSafeInteger(elements)) return elements
  throw broken(name, `has the shape [${dims.slice(0, MAX_RANK).join(', ')}]`)
}

/** `push(...values)` without its bound on arguments. */
function append<T>(target: T[], values: readonly T[]): void {
  for (const value of values) target.push(value)
}

function readEntry(reader: ProtobufReader): Record<string, string> {
  let key = ''
  let value = ''
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) key = reader.string()
    else if (field === 2) value = reader.string()
    else reader.skip()
  }
  return { [key]: value }
}

function externalPart(entries: Readonly<Record<string, string>>, name: string): ExternalPart {
  const { location = '', offset = '0', length } = entries
  const numbers = [offset, length ?? '0']
  if (location === '' || !numbers.every((text) => /^\d{1,15}$/.test(text))) {
    throw broken(name, 'names its external data in a way that makes no sense')
  }
  return { location, offset: Number(offset), length: length === undefined ? null : Number(length) }
}

function fromBytes(
  bytes: Uint8Array,
  type: ElementType,
  elements: number,
  name: string,
): ArrayBufferView {
  const wanted = elements * ELEMENT_BYTES[type]
  if (bytes.length !== wanted) throw broken(name, `has ${bytes.length} bytes; its shape ${wanted}`)
  // A copy of its own, aligned as the type wants it.
  return viewOf(new Uint8Array(bytes).buffer, type)
}

function fromNumbers(
  values: readonly number[] | readonly bigint[],
  type: ElementType,
): ArrayBufferView {
  if (type === 'int64') return BigInt64Array.from(values as readonly bigint[])
  const numbers = values as readonly number[]
  const view = viewOf(new ArrayBuffer(numbers.length * ELEMENT_BYTES[type]), type)
  if (!(view instanceof BigInt64Array)) view.set(numbers)
  return view
}

/** Float16 numbers are kept as their bits. */
function viewOf(buffer: ArrayBuffer, type: ElementType) {
  if (type === 'float32') return new Float32Array(buffer)
  if (type === 'float64') return new Float64Array(buffer)
  if (type === 'int64') return new BigInt64Array(buffer)
  if (type === 'int32') return new Int32Array(buffer)
  if (type === 'int8') return new Int8Array(buffer)
  return type === 'float16' ? new Uint16Array(buffer) : new Uint8Array(buffer)
}

function broken(name: string, reason: string): EspalierError {
  return new EspalierError('invalid_model_file', `damaged ONNX file: tensor ${name} ${reason}`)
}
