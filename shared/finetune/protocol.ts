import type { WireError } from '../runtime/protocol.ts'
import type { FineTuneProgress, FineTuneRequest, FineTuneResult } from './types.ts'

/** What the worker starts with. */
export interface FineTuneInit {
  readonly request: Omit<FineTuneRequest, 'onProgress' | 'signal' | 'loadImage'>
  /** One 32-bit word: 1 asks for an early end. */
  readonly cancel: SharedArrayBuffer
}

/** An image of the rows that the worker asks for. */
export interface WantedImage {
  readonly set: 'train' | 'validation'
  readonly row: number
}

/** The answer to a wanted image. */
export type ToFineTuneWorker = { readonly type: 'image'; readonly wanted: WantedImage } & (
  | { readonly file: Uint8Array }
  | { readonly error: WireError }
)

export type FromFineTuneWorker =
  | { readonly type: 'wanted'; readonly wanted: WantedImage }
  | { readonly type: 'progress'; readonly progress: FineTuneProgress }
  | { readonly type: 'done'; readonly result: FineTuneResult }
  | { readonly type: 'failed'; readonly error: WireError }
