import type { ImagePreprocessing } from '../../lib/manifests/image-preprocessing.ts'
import { RESAMPLE_CODE } from './resample-code.ts'
import { type Interpolation, planTaps, type Taps } from './resample-taps.ts'

/** An image's or an area's size in pixels. */
export interface Size {
  readonly width: number
  readonly height: number
}

/** What is done to an image: brought to a size, then an area of it taken. */
export interface Geometry {
  readonly resized: Size
  readonly area: Size & { readonly left: number; readonly top: number }
}

/** Rounds as Hugging Face's image processors do: the longer side down, the crop towards the upper left. */
export function planGeometry({ width, height }: Size, spec: ImagePreprocessing): Geometry {
  const { rule, size } = spec.resize
  const target = { width: spec.width, height: spec.height }
  let resized: Size
  if (rule === 'exact') resized = spec.crop === 'none' ? target : { width: size, height: size }
  else if (width <= height) resized = { width: size, height: Math.floor((size * height) / width) }
  else resized = { width: Math.floor((size * width) / height), height: size }
  const left = Math.floor((resized.width - target.width) / 2)
  const top = Math.floor((resized.height - target.height) / 2)
  return { resized, area: { ...target, left, top } }
}

const CHANNELS = 3
const LANE_BYTES = 16
const PAGE_BYTES = 65_536
/** Taps across that are summed at a time. */
const TAPS_AT_ONCE = 4
/** The source is copied in pieces of so many bytes, which stay in the caches. */
const PIECE_BYTES = 131_072
/** Kept from image to image: what one of 2 megapixels needs. More is given back after the image. */
const KEPT_BYTES = 4 * 2 ** 20

/** Resizes and crops pixels [height, width, 3] to [area.height, area.width, 3]; owned by one thread. */
export type Resample = (pixels: Uint8Array, source: Size, geometry: Geometry) => Uint8Array

/** The functions of resample.wat, and the memory in which they work. */
interface Kernel {
  readonly memory: WebAssembly.Memory
  across(...numbers: readonly number[]): void
  down(...numbers: readonly number[]): void
}

/**
 * Resizes as Pillow does, to the bit: a separable filter, rounded to 8 bits between the axes. Only what the area
 * needs is computed. libvips is close when it makes smaller, but enlarges from another centre of the pixels.
 */
export function createResample(interpolation: Interpolation): Resample {
  const module = new WebAssembly.Module(Buffer.from(RESAMPLE_CODE, 'base64'))
  let kept: Kernel | null = null
  const open = (bytes: number): Kernel => {
    if (bytes > KEPT_BYTES) return instantiate(module, bytes)
    kept ??= instantiate(module, KEPT_BYTES)
    return kept
  }
  return (pixels, source, { resized, area }) => {
    const { left, top, width, height } = area
    const across = { source: source.width, resized: resized.width, start: left, count: width }
    const columns = planTaps(across, interpolation, TAPS_AT_ONCE)
    const down = { source: source.height, resized: resized.height, start: top, count: height }
    const rows = planTaps(down, interpolation, 1)
    return run(open, pixels, source.width, { columns, rows, lines: linesRead(rows, source.height) })
  }
}

interface Plan {
  readonly columns: Taps
  readonly rows: Taps
  /** The lines of the source that `rows` reads. */
  readonly lines: { readonly first: number; readonly count: number }
}

function run(
  open: (bytes: number) => Kernel,
  pixels: Uint8Array,
  sourceWidth: number,
  { columns, rows, lines }: Plan,
): Uint8Array {
  const stride = sourceWidth * CHANNELS
  const narrowStride = columns.firsts.length * CHANNELS
  const targetBytes = rows.firsts.length * narrowStride
  const pieceLines = Math.min(lines.count, Math.max(1, Math.floor(PIECE_BYTES / stride)))

  let end = 0
  const reserve = (bytes: number): number => {
    const start = end
    end += Math.ceil(bytes / LANE_BYTES + 1) * LANE_BYTES
    return start
  }
  const columnFirsts = reserve(columns.firsts.byteLength)
  const columnWeights = reserve(columns.weights.byteLength)
  const rowFirsts = reserve(rows.firsts.byteLength)
  const rowWeights = reserve(rows.weights.byteLength)
  // Weights of zero read beyond what is there.
  const piece = reserve(pieceLines * stride + columns.length * CHANNELS)
  const narrow = reserve((lines.count + rows.length) * narrowStride)
  const target = reserve(targetBytes)

  const { memory, across, down } = open(end)
  const put = (values: Int32Array, at: number) =>
    new Int32Array(memory.buffer, at, values.length).set(values)
  const bytes = new Uint8Array(memory.buffer)
  put(columns.weights, columnWeights)
  put(rows.weights, rowWeights)
  const toByte = (first: number) => first * CHANNELS
  put(columns.firsts.map(toByte), columnFirsts)
  const toLine = (first: number) => (first - lines.first) * narrowStride
  put(rows.firsts.map(toLine), rowFirsts)

  const [width, height] = [columns.firsts.length, rows.firsts.length]
  for (let done = 0; done < lines.count; done += pieceLines) {
    const count = Math.min(pieceLines, lines.count - done)
    const from = (lines.first + done) * stride
    bytes.set(pixels.subarray(from, from + count * stride), piece)
    const to = narrow + done * narrowStride
    across(piece, stride, count, to, width, columnFirsts, columnWeights, columns.length)
  }
  down(narrow, narrowStride, height, target, rowFirsts, rowWeights, rows.length)
  return bytes.slice(target, target + targetBytes)
}

function linesRead({ firsts, length }: Taps, height: number): Plan['lines'] {
  const first = firsts[0] as number
  const end = Math.min(height, (firsts.at(-1) as number) + length)
  return { first, count: end - first }
}

function instantiate(module: WebAssembly.Module, bytes: number): Kernel {
  const pages = Math.ceil(bytes / PAGE_BYTES)
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
  const { exports } = new WebAssembly.Instance(module, { env: { memory } })
  return { memory, ...(exports as Pick<Kernel, 'across' | 'down'>) }
}
