import type { ImageFile } from '../../dataset/image-file.ts'
import type { EncodedBatch, EncodeOptions, Encoder, EncoderInput } from '../../encoder/types.ts'
import { type ErrorCode, EspalierError } from '../../lib/errors.ts'
import { print } from '../../lib/wording.ts'

/** An input of a job: a text, or an image that is read when its turn comes. */
export type JobInput = string | ImageFile

/** An item with its input in memory, or with what is wrong with its image. */
export interface LoadedItem<T> {
  readonly item: T
  readonly input: EncoderInput | EspalierError
}

/** What came of an item: its vector, or what is wrong with its input. */
export interface EncodedItem<T> {
  readonly item: T
  /** Shape [dimension]. */
  readonly vector: Float32Array | EspalierError
  readonly tokens: number
  /** 1 where a text was cut. */
  readonly truncated: number
}

export const DEFAULT_BATCH_ROWS = 2_048
/** Ends a batch early, so that long texts neither fill the memory nor wait long in the encoder's queue. */
const MAX_BATCH_LENGTH = 64 * 1024
/** Of images fewer run at a time, and some 32 MB of files are in memory at most. */
const MAX_BATCH_IMAGES = 64
const BYTES_PER_CHARACTER = 512

/** Faults of an image that the others of its batch do not share. */
const IMAGE_FAULTS: ReadonlySet<ErrorCode> = new Set([
  'invalid_image',
  'image_too_large',
  'unsupported_image',
])
/** Those, and an input that no worker comes back from. */
export const INPUT_FAULTS: ReadonlySet<ErrorCode> = new Set([...IMAGE_FAULTS, 'encoder_stuck'])

/** Groups items into batches for the encoder, reading their images. */
export async function* loadBatches<T>(
  items: AsyncIterable<T> | Iterable<T>,
  inputOf: (item: T) => JobInput,
  maxRows: number = DEFAULT_BATCH_ROWS,
): AsyncGenerator<LoadedItem<T>[]> {
  let batch: LoadedItem<T>[] = []
  let length = 0
  for await (const item of items) {
    const input = inputOf(item)
    const isText = typeof input === 'string'
    const loaded = isText ? input : await loadImage(input)
    batch.push({ item, input: loaded })
    if (isText) length += input.length
    else if (loaded instanceof Uint8Array) length += loaded.length / BYTES_PER_CHARACTER
    const rows = isText ? maxRows : Math.min(maxRows, MAX_BATCH_IMAGES)
    if (batch.length < rows && length < MAX_BATCH_LENGTH) continue
    yield batch
    batch = []
    length = 0
  }
  if (batch.length > 0) yield batch
}

/**
 * Encodes a batch. An image that cannot be decoded costs the others nothing: they are encoded one by one then.
 * @param faults codes of what is wrong with one input alone
 * @throws EspalierError as the encoder does, but for such faults; `inputs[i]` is the batch's i
 */
export async function encodeLoaded<T>(
  encoder: Encoder,
  batch: readonly LoadedItem<T>[],
  options: EncodeOptions,
  faults = IMAGE_FAULTS,
): Promise<EncodedItem<T>[]> {
  const readable = batch.flatMap(({ input }) => (input instanceof EspalierError ? [] : [input]))
  const rows = (await encodeRows(encoder, readable, options, faults)).values()
  return batch.map(({ item, input }) => {
    if (input instanceof EspalierError) return { item, vector: input, tokens: 0, truncated: 0 }
    return { item, ...rows.next().value! }
  })
}

type Row = Omit<EncodedItem<unknown>, 'item'>

async function encodeRows(
  encoder: Encoder,
  inputs: readonly EncoderInput[],
  options: EncodeOptions,
  faults: ReadonlySet<ErrorCode>,
): Promise<Row[]> {
  if (inputs.length === 0) return []
  try {
    return rowsOf(await encoder.encode(inputs, options))
  } catch (error) {
    if (!(error instanceof EspalierError) || !faults.has(error.code)) throw error
    if (inputs.length === 1) return [{ vector: error, tokens: 0, truncated: 0 }]
    const rows = await Promise.all(
      inputs.map((input) => encodeRows(encoder, [input], options, faults)),
    )
    return rows.flat()
  }
}

function rowsOf({ vectors, dimension, tokens, truncated }: EncodedBatch): Row[] {
  return Array.from(tokens, (count, i) => ({
    vector: vectors.subarray(i * dimension, (i + 1) * dimension),
    tokens: count,
    truncated: truncated[i]!,
  }))
}

async function loadImage(file: ImageFile): Promise<Uint8Array | EspalierError> {
  try {
    return await file.load()
  } catch (error) {
    if (error instanceof EspalierError) return error
    throw error
  }
}

/** Why an image is left out, without the name that messages give it. */
export function explainFault(error: EspalierError): string {
  return print(error.wording)
}
