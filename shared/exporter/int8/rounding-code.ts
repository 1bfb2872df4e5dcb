import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib'
import type { EspalierError } from '../../lib/errors.ts'
import { invalid } from './calibration-file.ts'

/** A gap that is not over yet. */
const LONGER = 255
/** Gaps hardly repeat: the best quality takes thirty times as long for 2 % fewer bytes. */
const QUALITY = 5
/** Stored decisions of one layer; a layer of BERT-large needs about 1 MB. */
const MAX_CODE_BYTES = 64 * 1024 * 1024

/**
 * Writes which elements of a rounded matrix took the other neighbour instead of the nearest integer: the
 * gaps between them, one byte each, compressed, as base64. About 0.7 bits an element.
 */
export function encodeRounding(values: Float64Array, rounded: Int8Array): string {
  const gaps: number[] = []
  let gap = 0
  for (let i = 0; i < values.length; i++) {
    if (rounded[i] !== Math.round(values[i] as number)) {
      gaps.push(gap)
      gap = 0
    } else if (++gap === LONGER) {
      gaps.push(LONGER)
      gap = 0
    }
  }
  const packed = brotliCompressSync(Uint8Array.from(gaps), {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: QUALITY,
      [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
    },
  })
  return packed.toString('base64')
}

/**
 * The inverse: rounds to nearest, except where the code says otherwise.
 * @throws EspalierError `invalid_model_file` when the code is not one for this many elements
 */
export function decodeRounding(values: Float64Array, code: string): Int8Array {
  const rounded = new Int8Array(values.length)
  for (let i = 0; i < values.length; i++) rounded[i] = Math.round(values[i] as number)
  let at = 0
  for (const gap of unpack(code)) {
    at += gap
    if (gap === LONGER) continue
    if (at >= values.length) throw damaged()
    rounded[at] = otherNeighbour(values[at] as number)
    at++
  }
  if (at > values.length) throw damaged()
  return rounded
}

function otherNeighbour(value: number): number {
  const floor = Math.floor(value)
  return Math.round(value) === floor ? floor + 1 : floor
}

function unpack(code: string): Uint8Array {
  try {
    return brotliDecompressSync(Buffer.from(code, 'base64'), { maxOutputLength: MAX_CODE_BYTES })
  } catch {
    throw damaged()
  }
}

function damaged(): EspalierError {
  return invalid('a rounding does not fit its weights')
}
