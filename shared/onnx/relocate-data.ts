import { EspalierError } from '../lib/errors.ts'
import { ProtobufWriter } from './protobuf.ts'
import { ProtobufReader } from './protobuf-reader.ts'

const BYTES = 2
const MAX_DEPTH = 20

/** Which messages hold what, along the way from a model to the files that its tensors lie in. */
const WAY = {
  model: { 7: 'graph', 25: 'function' },
  graph: { 1: 'node', 5: 'tensor' },
  function: { 7: 'node' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph' },
} as const
type Kind = keyof typeof WAY | 'tensor'

/**
 * Rewrites a model so that all tensors in files beside it lie in one file: each file becomes a part of it.
 * Everything else keeps its bytes.
 * @param starts where in the one file each of the others begins, by its name in the model
 * @throws EspalierError `invalid_model_file` for a damaged file
 */
export function relocateData(
  model: Uint8Array,
  file: string,
  starts: ReadonlyMap<string, number>,
): Uint8Array {
  return rewrite(model, 'model', { file, starts }, 0)
}

interface Target {
  readonly file: string
  readonly starts: ReadonlyMap<string, number>
}

function rewrite(bytes: Uint8Array, kind: Kind, target: Target, depth: number): Uint8Array {
  if (depth > MAX_DEPTH) throw broken('control flow in control flow')
  if (kind === 'tensor') return rewriteTensor(bytes, target)
  const way: Readonly<Record<number, Kind>> = WAY[kind]
  const writer = new ProtobufWriter()
  for (const { field, wire, raw, content } of fieldsOf(bytes)) {
    const inner = way[field]
    if (inner === undefined || wire !== BYTES) writer.raw(raw)
    else writer.bytes(field, rewrite(content, inner, target, depth + 1))
  }
  return writer.finish()
}

function rewriteTensor(bytes: Uint8Array, { file, starts }: Target): Uint8Array {
  const fields = [...fieldsOf(bytes)]
  const entries = fields
    .filter(({ field }) => field === 13)
    .map(({ content }) => readEntry(content))
  const location = entries.find(([key]) => key === 'location')?.[1]
  if (location === undefined) return bytes
  const start = starts.get(location)
  if (start === undefined) throw broken(`a tensor in ${location}`)
  const offset = Number(entries.find(([key]) => key === 'offset')?.[1] ?? 0)
  if (!Number.isSafeInteger(offset) || offset < 0) throw broken(`an offset in ${location}`)
  const writer = new ProtobufWriter()
  for (const { field, raw } of fields) if (field !== 13) writer.raw(raw)
  // A checksum would be that of the file as it was.
  const kept = entries.filter(([key]) => key === 'length')
  const moved = [['location', file], ['offset', String(start + offset)], ...kept] as const
  for (const [key, value] of moved) {
    writer.message(13, (entry) => void entry.string(1, key).string(2, value))
  }
  return writer.finish()
}

function readEntry(bytes: Uint8Array): readonly [key: string, value: string] {
  let key = ''
  let value = ''
  const reader = new ProtobufReader(bytes, 'external data')
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) key = reader.string()
    else if (field === 2) value = reader.string()
    else reader.skip()
  }
  return [key, value]
}

/** The fields of a message with their own bytes, tag and all. */
function* fieldsOf(bytes: Uint8Array) {
  const reader = new ProtobufReader(bytes, 'the model')
  let from = 0
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    const wire = reader.wire
    const content = wire === BYTES ? reader.bytes() : new Uint8Array()
    if (wire !== BYTES) reader.skip()
    yield { field, wire, content, raw: bytes.subarray(from, reader.position) }
    from = reader.position
  }
}

function broken(what: string): EspalierError {
  return new EspalierError('invalid_model_file', `the ONNX file has ${what}`)
}
