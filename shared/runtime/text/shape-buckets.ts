import type { Device } from '../session.ts'

/** Matrix units of GPUs work on eight columns at a time. */
const MIN_WIDTH = 8

/** The shape that a run is padded to. */
export interface RunShape {
  readonly rows: number
  readonly width: number
}

/**
 * The next of 1, 2, 3, 4, 6, 8, 12, 16 …: two sizes for each doubling, so that few shapes occur and padding adds
 * half at the worst.
 */
export function roundUpSize(size: number): number {
  const octave = 2 ** Math.ceil(Math.log2(Math.max(1, size)))
  const between = 0.75 * octave
  return octave >= 4 && size <= between ? between : octave
}

/**
 * The shape of a run of texts on a device. A GPU keeps memory and plans for every shape that it has seen, so
 * that it sees few: rows and width are rounded up. CPUs run every shape as it is.
 * @param maxWidth the encoder's positions
 */
export function shapeRun(rows: number, width: number, maxWidth: number, device: Device): RunShape {
  if (device === 'cpu') return { rows, width }
  const rounded = roundUpSize(Math.max(width, MIN_WIDTH))
  // A foreign graph may have been made for longer inputs than the encoder is said to read.
  return { rows: roundUpSize(rows), width: Math.max(width, Math.min(rounded, maxWidth)) }
}
