import { findPrompt } from '../encoder/prompts.ts'
import type { QueueCaller } from '../encoder/queue.ts'
import type { EncodedBatch, Encoder, EncoderInfo, EncoderInput } from '../encoder/types.ts'
import { EspalierError, restate } from '../lib/errors.ts'
import { quote } from '../lib/text/text.ts'
import type { EncoderDirectory } from './models.ts'
import {
  checkModality,
  type GivenInput,
  type InputLimits,
  nameInput,
  readInputs,
} from './read-inputs.ts'

/** What `embed` works with. */
export interface EmbedDeps {
  readonly encoders: EncoderDirectory
  readonly limits: InputLimits
}

/** One embedding request, whatever surface it came from. */
export interface EmbedInput {
  readonly inputs: GivenInput | readonly GivenInput[]
  /** The caller's name of the field that holds the inputs, for error messages. */
  readonly field: string
  readonly model?: string | undefined
  readonly truncate?: boolean | undefined
  readonly truncationDirection?: 'left' | 'right' | undefined
  readonly normalize?: boolean | undefined
  readonly promptName?: string | undefined
  /** Names of prompts of which the first that the encoder has is taken, else its default one. */
  readonly likelyPrompts?: readonly string[] | undefined
  readonly dimensions?: number | undefined
  readonly expectedFingerprint?: string | undefined
  readonly signal?: AbortSignal | undefined
  /** Milliseconds in which the answer must be there. */
  readonly timeoutMs?: number | undefined
  /** Whose turn it takes while it waits. */
  readonly caller?: QueueCaller | null | undefined
}

/** Vectors, and which model made them. */
export interface EmbedResult {
  readonly info: EncoderInfo
  readonly batch: EncodedBatch
}

/**
 * Turns texts or images into vectors with the model that the caller names.
 * @throws EspalierError naming the field at fault, in the caller's words
 */
export async function embed(deps: EmbedDeps, request: EmbedInput): Promise<EmbedResult> {
  const { field } = request
  const { encoder, release } = await deps.encoders.acquire(request.model)
  try {
    const read = readInputs(request.inputs, field, deps.limits)
    checkModality(read, encoder.info, field)
    checkDimensions(encoder.info, request.dimensions)
    checkFingerprint(encoder.info, request.expectedFingerprint)
    const options = {
      truncate: request.truncate ?? true,
      truncationDirection: request.truncationDirection ?? 'right',
      normalize: request.normalize ?? true,
      prompt: findPrompt(encoder.info, choosePrompt(encoder.info, request)),
      signal: request.signal,
      timeoutMs: request.timeoutMs,
      caller: request.caller,
    } as const
    const batch = await encodeAs(encoder, read.inputs, options, field, read.single)
    return { info: encoder.info, batch }
  } finally {
    release()
  }
}

function choosePrompt(info: EncoderInfo, request: EmbedInput): string | undefined {
  const { promptName, likelyPrompts = [] } = request
  return promptName ?? likelyPrompts.find((name) => Object.hasOwn(info.prompts, name))
}

/** Encodes, and names the input at fault as the caller does. */
export async function encodeAs(
  encoder: Encoder,
  inputs: readonly EncoderInput[],
  options: Parameters<Encoder['encode']>[1],
  field: string,
  single: boolean,
): Promise<EncodedBatch> {
  try {
    return await encoder.encode(inputs, options)
  } catch (error) {
    if (!(error instanceof EspalierError) || error.index === undefined) throw error
    throw restate(error, { param: nameInput(field, error.index, single) })
  }
}

function checkDimensions(info: EncoderInfo, dimensions: number | undefined): void {
  if (dimensions === undefined || dimensions === info.dimension) return
  throw new EspalierError(
    'unsupported_dimensions',
    `dimensions is ${dimensions}; ${info.name} makes vectors of ${info.dimension} and no other length`,
    { param: 'dimensions' },
  )
}

function checkFingerprint(info: EncoderInfo, expected: string | undefined): void {
  if (expected === undefined || expected === info.fingerprint) return
  throw new EspalierError(
    'fingerprint_mismatch',
    `the expected fingerprint is ${quote(expected)}; ${info.name}@v${info.version} has ${info.fingerprint}`,
    { param: 'x-espalier-fingerprint' },
  )
}
