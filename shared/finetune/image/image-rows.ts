import { EspalierError, restate } from '../../lib/errors.ts'
import { countElements } from '../../lib/maths/count-elements.ts'
import type { ImageDecoder } from '../../runtime/image/image-decoder.ts'
import type { NamedTensor, Session } from '../../runtime/session.ts'
import type { RowSource } from '../rows/labelled-rows.ts'
import type { ImageTrunk } from './image-trunk.ts'

/** Images that are read and decoded while another one runs. */
const AHEAD = 4

/** What images become features with. */
export interface FillImagesOptions {
  readonly session: Session
  readonly trunk: Pick<ImageTrunk, 'lower' | 'output' | 'shape'>
  readonly decoder: ImageDecoder
  /** Makes the network's input of decoded pixels. */
  readonly fill: (rgb: Uint8Array) => Float32Array
  /** Of one input: [1, 3, height, width]. */
  readonly dims: readonly number[]
  load(row: number): Promise<Uint8Array>
  /** Whether each image is followed by its mirror image. */
  readonly flip: boolean
  /** Called before each run. @throws to stop */
  onRow(row: number): void
}

/**
 * Runs every image once through the frozen layers, alone, as serving does: features [images, …shape], twice as
 * many rows with mirror images.
 * @param paths name the images, for messages
 * @throws EspalierError `invalid_image`, `unsupported_image`, `image_too_large`, `invalid_data` naming the image
 */
export async function fillImageRows(
  paths: readonly string[],
  options: FillImagesOptions,
): Promise<Float32Array> {
  const { session, trunk, decoder, fill, dims } = options
  const { output, shape } = trunk
  const input = trunk.lower.inputs[0]?.name ?? ''
  const width = countElements(shape)
  const copies = options.flip ? 2 : 1
  const values = new Float32Array(paths.length * copies * width)
  const prepare = async (row: number): Promise<Float32Array> => {
    const file = await options.load(row)
    return fill(await decoder.decode(file).catch((cause) => rethrow(paths[row] ?? '', row, cause)))
  }
  const pending: Promise<Float32Array>[] = []
  for (let row = 0, next = 0; row < paths.length; row++) {
    for (; next < paths.length && pending.length < AHEAD; next++) {
      const prepared = prepare(next)
      // Whoever waits for it hears of a failure; until then nobody does.
      prepared.catch(() => {})
      pending.push(prepared)
    }
    const data = (await pending.shift()) as Float32Array
    options.onRow(row)
    for (let copy = 0; copy < copies; copy++) {
      if (copy === 1) mirrorRows(data, dims.at(-1) as number)
      const results = await session.run({ [input]: { data, dims } }, [output])
      const found = (results[output] as NamedTensor).data as Float32Array
      values.set(found, (row * copies + copy) * width)
    }
  }
  return values
}

function mirrorRows(pixels: Float32Array, width: number): void {
  for (let at = 0; at < pixels.length; at += width) pixels.subarray(at, at + width).reverse()
}

function rethrow(path: string, index: number, cause: unknown): never {
  if (!(cause instanceof EspalierError)) throw cause
  throw restate(cause, { index, place: { source: path }, param: path })
}

/** Rows that enter at features of one shape, or at embeddings, one after another in `values`. */
export function createFeatureSource(values: Float32Array, shape: readonly number[]): RowSource {
  const width = countElements(shape)
  return {
    lengths: new Int32Array(values.length / width).fill(1),
    feed(batch, start) {
      if (start.kind === 'ids' || start.kind === 'states') {
        throw new RangeError(`features do not enter at ${start.kind}`)
      }
      const data = new Float32Array(batch.length * width)
      for (const [at, row] of batch.entries()) {
        data.set(values.subarray(row * width, (row + 1) * width), at * width)
      }
      const name = start.kind === 'features' ? start.features : start.embeddings
      return { [name]: { data, dims: [batch.length, ...shape] } }
    },
  }
}
