import { FloatJsonWriter } from '../../lib/json/float-json.ts'
import type { ByteSink } from '../byte-sink.ts'

/** A vector on its way into a file, and what is written beside it where the format allows. */
export interface VectorRow {
  /** Shape [dimension]. */
  readonly vector: Float32Array
  readonly fields: Readonly<Record<string, unknown>>
}

/** Takes vectors in order; nothing is visible under a file's name before `commit`. */
export interface VectorWriter {
  /** Resolves when the rows are handed on, which is the back-pressure. */
  write(rows: readonly VectorRow[]): Promise<void>
  commit(): Promise<void>
  discard(): Promise<void>
}

/** What is written at a time: the numbers are still in the processor's cache then. */
const WRITE_BYTES = 512 * 1024

/** JSON lines: the fields of each row and, last, `embedding` with 9 significant digits. */
export function createJsonVectorWriter(sink: ByteSink): VectorWriter {
  const json = new FloatJsonWriter()
  // The sink is done with the bytes before more are written over them.
  const flush = () => sink.write(json.drain())
  return {
    async write(rows) {
      for (const { vector, fields } of rows) {
        const head = JSON.stringify(fields).slice(0, -1)
        json.text(`${head}${head === '{' ? '' : ','}"embedding":`)
        json.floats(vector)
        json.text('}\n')
        if (json.length >= WRITE_BYTES) await flush()
      }
      if (json.length > 0) await flush()
    },
    commit: () => sink.commit(),
    discard: () => sink.discard(),
  }
}
