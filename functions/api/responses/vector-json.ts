import { setImmediate } from 'node:timers/promises'
import { FloatJsonWriter } from '../../../shared/lib/json/float-json.ts'

/** Numbers written before other requests get a turn: about two milliseconds of work. */
const NUMBERS_PER_TURN = 32_768

/** Rows of vectors: shape [rows, dimension], row-major. */
export interface VectorRows {
  readonly vectors: Float32Array
  readonly dimension: number
}

type WriteRow = (writer: FloatJsonWriter, row: Float32Array, index: number) => void

/** Writes `[[…],[…]]`. */
export function vectorsToJson(rows: VectorRows): Promise<Buffer<ArrayBuffer>> {
  return writeRows(rows, '[', ']', (writer, row) => writer.floats(row))
}

/** Writes OpenAI's list of embeddings; `tail` is what follows `data`, from its comma to the end. */
export function embeddingsToJson(
  rows: VectorRows,
  encoding: 'float' | 'base64',
  tail: string,
): Promise<Buffer<ArrayBuffer>> {
  return writeRows(rows, '{"object":"list","data":[', `]${tail}`, (writer, row, index) => {
    writer.text(`{"object":"embedding","index":${index},"embedding":`)
    if (encoding === 'float') writer.floats(row)
    else writer.text(`"${toBase64(row)}"`)
    writer.text('}')
  })
}

/** Little-endian float32 bytes, as every platform of ONNX Runtime keeps them in memory. */
export function toBase64(row: Float32Array): string {
  return Buffer.from(row.buffer, row.byteOffset, row.byteLength).toString('base64')
}

async function writeRows(
  { vectors, dimension }: VectorRows,
  head: string,
  tail: string,
  writeRow: WriteRow,
): Promise<Buffer<ArrayBuffer>> {
  const rowsPerTurn = Math.max(1, Math.floor(NUMBERS_PER_TURN / dimension))
  const rows = vectors.length / dimension
  const writer = new FloatJsonWriter()
  const parts: Buffer<ArrayBuffer>[] = []
  writer.text(head)
  for (let index = 0; index < rows; index++) {
    if (index > 0) writer.text(',')
    writeRow(writer, vectors.subarray(index * dimension, (index + 1) * dimension), index)
    if ((index + 1) % rowsPerTurn === 0) {
      parts.push(writer.take())
      await setImmediate()
    }
  }
  writer.text(tail)
  parts.push(writer.take())
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
}
