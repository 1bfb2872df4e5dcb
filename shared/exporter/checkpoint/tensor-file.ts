import type { FileHandle } from 'node:fs/promises'
import { EspalierError } from '../../lib/errors.ts'
import { decodeBfloat16, decodeFloat16 } from '../../lib/maths/float16.ts'

/** A tensor as it lies in a file. */
export interface TensorDescription {
  /** As safetensors spells it: `F32`, `I64` … */
  readonly type: string
  readonly shape: readonly number[]
  readonly bytes: number
}

/** An open file of tensors: what is in it is checked, tensors are read one at a time. */
export interface TensorFile {
  readonly names: readonly string[]
  /** Shape of a tensor, or null when the file has none of that name. */
  shape(name: string): readonly number[] | null
  /**
   * Values of a tensor, widened to float32.
   * @throws EspalierError `invalid_model_file` when absent, `unsupported_model` for other element types
   */
  read(name: string): Promise<Float32Array>
  /** @throws EspalierError `invalid_model_file` when absent */
  describe(name: string): TensorDescription
  /** The bytes of a tensor as they are, row by row. */
  readBytes(name: string): Promise<Uint8Array>
  close(): Promise<void>
}

/** Throws what is wrong with a file, by its name. */
export type Fail = (reason: string, cause?: unknown) => never

/** @throws EspalierError `invalid_model_file` where the file ends before */
export async function readExactly(
  handle: FileHandle,
  position: number,
  length: number,
  fail: Fail,
): Promise<Buffer<ArrayBuffer>> {
  const buffer = Buffer.from(new ArrayBuffer(length))
  let done = 0
  while (done < length) {
    const { bytesRead } = await handle.read(buffer, done, length - done, position + done)
    if (bytesRead === 0) fail(`ends after ${position + done} bytes, ${length - done} are missing`)
    done += bytesRead
  }
  return buffer
}

/**
 * Numbers of a tensor as float32.
 * @throws EspalierError `unsupported_model` for types that are no weights
 */
export function widenTensor(
  file: string,
  name: string,
  type: string,
  bytes: Uint8Array<ArrayBuffer>,
): Float32Array {
  const { buffer, byteOffset, byteLength } = bytes
  if (type === 'F32') return new Float32Array(buffer, byteOffset, byteLength / 4)
  if (type === 'F16') return decodeFloat16(new Uint16Array(buffer, byteOffset, byteLength / 2))
  if (type === 'BF16') return decodeBfloat16(new Uint16Array(buffer, byteOffset, byteLength / 2))
  throw new EspalierError(
    'unsupported_model',
    `${file}: tensor ${name} is ${type}; supported: F32, F16, BF16`,
  )
}
