import { decodeFloat16 } from '../../lib/maths/float16.ts'
import type { Fail } from './tensor-file.ts'

/** The entry of `__metadata__` that says what the U8 tensors of a file hold, and its only value. */
export const U8_FORMAT_KEY = 'espalier_u8'
export const FOUR_BITS = 'q4_0'

/** A block: a scale in float16, then 16 bytes with two numbers of 4 bits each. */
export const BLOCK_BYTES = 18
export const BLOCK_VALUES = 32
const HALF = BLOCK_VALUES / 2
const OFFSET = 8

/**
 * Whether the U8 tensors of a file are weights of 4 bits, as its metadata says.
 * @throws what `fail` throws, for another format
 */
export function hasFourBits(metadata: unknown, fail: Fail): boolean {
  if (typeof metadata !== 'object' || metadata === null) return false
  const format = Object.entries(metadata).find(([key]) => key === U8_FORMAT_KEY)?.[1]
  if (format === undefined) return false
  if (format === FOUR_BITS) return true
  return fail(
    `its ${U8_FORMAT_KEY} is ${JSON.stringify(format).slice(0, 100)}; supported: ${FOUR_BITS}`,
  )
}

/**
 * The shape of the numbers in a U8 tensor of blocks: rows of whole blocks.
 * @throws what `fail` throws, for rows that are none
 */
export function valuesShape(name: string, shape: readonly number[], fail: Fail): number[] {
  const width = shape.at(-1)
  if (width === undefined || width % BLOCK_BYTES !== 0) {
    return fail(`tensor ${name} [${shape.join(',')}] has no rows of ${BLOCK_BYTES} bytes a block`)
  }
  return [...shape.slice(0, -1), (width / BLOCK_BYTES) * BLOCK_VALUES]
}

/**
 * Numbers of blocks in the layout of Q4_0 of GGML: byte j has number j in its low half and number j + 16 in its high
 * half, each is (q - 8) times the scale of the block. Every such product is a float32 without rounding.
 * @param bytes whole blocks
 * @returns 32 numbers a block
 * @throws what `fail` throws, for a scale that is no finite number
 */
export function decodeFourBits(bytes: Uint8Array, name: string, fail: Fail): Float32Array {
  const count = bytes.length / BLOCK_BYTES
  const stored = new Uint16Array(count)
  for (let block = 0; block < count; block++) {
    const at = block * BLOCK_BYTES
    stored[block] = (bytes[at] as number) | ((bytes[at + 1] as number) << 8)
  }
  const scales = decodeFloat16(stored)
  const values = new Float32Array(count * BLOCK_VALUES)
  for (let block = 0; block < count; block++) {
    const scale = scales[block] as number
    if (!Number.isFinite(scale)) fail(`tensor ${name} has a scale that is no finite number`)
    const from = block * BLOCK_BYTES + 2
    const to = block * BLOCK_VALUES
    for (let j = 0; j < HALF; j++) {
      const pair = bytes[from + j] as number
      // The sum with 0 makes a plain zero of -0, which (8 - 8) times a negative scale gives.
      values[to + j] = ((pair & 15) - OFFSET) * scale + 0
      values[to + j + HALF] = ((pair >> 4) - OFFSET) * scale + 0
    }
  }
  return values
}
