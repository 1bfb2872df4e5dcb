import {
  type Attribute,
  ELEMENT_TYPES,
  type Graph,
  type Initializer,
  MICROSOFT_DOMAIN,
  type Node,
  type ValueInfo,
} from './graph.ts'
import { ProtobufWriter } from './protobuf.ts'

/** The IR version of our operator sets, 17 and 24; the older one is good for whatever came before. */
const IR_VERSION_17 = 8
const IR_VERSION_24 = 12
/** Offsets of external tensors: page-aligned where it pays, so that they can be mapped. */
const LARGE_TENSOR_BYTES = 65_536
const PAGE_BYTES = 4_096
const SMALL_ALIGNMENT = 64
const EXTERNAL_LOCATION = 1

/** A serialised model: the graph, and the constants that live in a file beside it, in file order. */
export interface SerializedModel {
  readonly graph: Uint8Array
  /** Pieces of the external file, paddings included; empty when everything is inline. */
  readonly data: readonly Uint8Array[]
}

/** Where large constants go. */
export interface ExternalData {
  readonly file: string
  /** Constants of fewer bytes stay inside the graph. @default 1024 */
  readonly minBytes?: number
}

/** Serialises a graph to ONNX (`onnx.proto`, its operator set and com.microsoft 1). */
export function serializeModel(graph: Graph, external?: ExternalData): SerializedModel {
  const data: Uint8Array[] = []
  let offset = 0
  const place = (tensor: Initializer): number | null => {
    const bytes = tensor.data.byteLength
    if (!external || bytes < (external.minBytes ?? 1024)) return null
    const alignment = bytes >= LARGE_TENSOR_BYTES ? PAGE_BYTES : SMALL_ALIGNMENT
    const start = Math.ceil(offset / alignment) * alignment
    if (start > offset) data.push(new Uint8Array(start - offset))
    data.push(bytesOf(tensor.data))
    offset = start + bytes
    return start
  }
  const writer = new ProtobufWriter()
  writer.integer(1, graph.opset <= 17 ? IR_VERSION_17 : IR_VERSION_24).string(2, 'espalier')
  writer.message(7, (w) => writeGraph(w, graph, place, external?.file ?? ''))
  writer.message(8, (w) => w.string(1, '').integer(2, graph.opset))
  writer.message(8, (w) => w.string(1, MICROSOFT_DOMAIN).integer(2, 1))
  return { graph: writer.finish(), data }
}

type Place = (tensor: Initializer) => number | null

function writeGraph(w: ProtobufWriter, graph: Graph, place: Place, file: string): void {
  for (const node of graph.nodes) w.message(1, (inner) => writeNode(inner, node))
  w.string(2, graph.name)
  for (const tensor of graph.initializers) {
    w.message(5, (inner) => writeTensor(inner, tensor, place(tensor), file))
  }
  for (const value of graph.inputs) w.message(11, (inner) => writeValueInfo(inner, value))
  for (const value of graph.outputs) w.message(12, (inner) => writeValueInfo(inner, value))
}

function writeNode(w: ProtobufWriter, node: Node): void {
  for (const input of node.inputs) w.string(1, input)
  for (const output of node.outputs) w.string(2, output)
  w.string(3, node.name).string(4, node.op)
  for (const [name, value] of Object.entries(node.attributes)) {
    w.message(5, (inner) => writeAttribute(inner, name, value))
  }
  if (node.domain !== '') w.string(7, node.domain)
}

function writeAttribute(w: ProtobufWriter, name: string, value: Attribute): void {
  w.string(1, name)
  if (typeof value === 'number') w.integer(3, value).integer(20, 2)
  else if (typeof value === 'string') w.string(4, value).integer(20, 3)
  else if ('float' in value) w.float(2, value.float).integer(20, 1)
  else if ('floats' in value) {
    for (const item of value.floats) w.float(7, item)
    w.integer(20, 6)
  } else if ('tensor' in value) {
    w.message(5, (inner) => writeTensor(inner, value.tensor, null, '')).integer(20, 4)
  } else {
    for (const item of value) w.integer(8, item)
    w.integer(20, 7)
  }
}

function writeTensor(
  w: ProtobufWriter,
  tensor: Initializer,
  offset: number | null,
  file: string,
): void {
  for (const dim of tensor.dims) w.integer(1, dim)
  w.integer(2, ELEMENT_TYPES[tensor.type]).string(8, tensor.name)
  if (offset === null) {
    w.bytes(9, bytesOf(tensor.data))
    return
  }
  const entries = { location: file, offset: String(offset), length: String(tensor.data.byteLength) }
  for (const [key, value] of Object.entries(entries)) {
    w.message(13, (inner) => inner.string(1, key).string(2, value))
  }
  w.integer(14, EXTERNAL_LOCATION)
}

function writeValueInfo(w: ProtobufWriter, value: ValueInfo): void {
  w.string(1, value.name).message(2, (type) =>
    type.message(1, (tensor) => {
      tensor.integer(1, ELEMENT_TYPES[value.type])
      if (value.anyShape) return
      tensor.message(2, (shape) => {
        for (const dim of value.shape) {
          shape.message(1, (d) => (typeof dim === 'number' ? d.integer(1, dim) : d.string(2, dim)))
        }
      })
    }),
  )
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
}
