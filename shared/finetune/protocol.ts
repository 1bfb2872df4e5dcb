import type { WireError } from '../runtime/protocol.ts'
import type { FineTuneProgress, FineTuneRequest, FineTuneResult } from './fine-tune-types.ts'

/** What the worker starts with. */
export interface FineTuneInit {
  readonly request: Omit<FineTuneRequest, 'onProgress' | 'signal'>
  /** One 32-bit word: 1 asks for an early end. */
  readonly cancel: SharedArrayBuffer
}

export type FromFineTuneWorker =
  | { readonly type: 'progress'; readonly progress: FineTuneProgress }
  | { readonly type: 'done'; readonly result: FineTuneResult }
  | { readonly type: 'failed'; readonly error: WireError }
