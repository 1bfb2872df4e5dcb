import { EspalierError } from '../lib/errors.ts'
import { fromWireError, toWireError, type WireError } from '../runtime/protocol.ts'
import { startThread } from '../runtime/workers/start-thread.ts'
import { checkOutput, checkRequest } from './check-request.ts'
import type { FineTuneProgress, FineTuneRequest, FineTuneResult, WorkerRequest } from './types.ts'

/** What fine-tuning needs of the process. */
export interface FineTuneDeps {
  /** The bundled worker: `finetune-worker.cjs`. */
  readonly workerUrl: URL
}

/** What the worker starts with. */
export interface FineTuneInit {
  readonly request: WorkerRequest
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

/** What the worker tells. */
export type FromFineTuneWorker =
  | { readonly type: 'wanted'; readonly wanted: WantedImage }
  | { readonly type: 'progress'; readonly progress: FineTuneProgress }
  | { readonly type: 'done'; readonly result: FineTuneResult }
  | { readonly type: 'failed'; readonly error: WireError }

/**
 * Trains an encoder in a thread of its own and writes the best weights as a Hugging Face folder. The same
 * rows, settings, seed and threads give the same bytes, unless a budget ends training.
 * @throws EspalierError `invalid_data`, `invalid_request` (settings, folder, memory), `unsupported_model`,
 * `invalid_model_file`, `request_cancelled` before the first step
 */
export async function fineTune(
  { workerUrl }: FineTuneDeps,
  request: FineTuneRequest,
): Promise<FineTuneResult> {
  checkRequest(request)
  await checkOutput(request.outputFolder)
  const { onProgress, signal, loadImage, ...wire } = request
  const cancel = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)
  const stop = () => Atomics.store(new Int32Array(cancel), 0, 1)
  if (signal?.aborted) stop()
  signal?.addEventListener('abort', stop, { once: true })
  try {
    return await runWorker(workerUrl, { request: wire, cancel }, { onProgress, loadImage })
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}

/** The thread ends by itself: ending it inside ONNX Runtime would end the process. */
function runWorker(
  url: URL,
  init: FineTuneInit,
  { onProgress, loadImage }: Pick<FineTuneRequest, 'onProgress' | 'loadImage'>,
): Promise<FineTuneResult> {
  return new Promise((resolve, reject) => {
    const worker = startThread(url, init)
    let result: FineTuneResult | null = null
    let failure: Error | null = null
    worker.on('message', (message: FromFineTuneWorker) => {
      if (message.type === 'progress') onProgress?.(message.progress)
      else if (message.type === 'done') result = message.result
      else if (message.type === 'wanted') {
        void answer(message.wanted, loadImage).then((file) => worker.postMessage(file))
      } else failure = fromWireError(message.error)
    })
    worker.on('error', (cause) => {
      failure = new EspalierError('internal', `fine-tuning broke off: ${cause.message}`, { cause })
    })
    worker.on('exit', () => {
      if (result) resolve(result)
      else reject(failure ?? new EspalierError('internal', 'fine-tuning ended without a result'))
    })
  })
}

async function answer(
  wanted: WantedImage,
  loadImage: FineTuneRequest['loadImage'],
): Promise<ToFineTuneWorker> {
  try {
    if (!loadImage) throw new EspalierError('internal', 'the rows of an image network are images')
    return { type: 'image', wanted, file: await loadImage(wanted.set, wanted.row) }
  } catch (error) {
    return { type: 'image', wanted, error: toWireError(error) }
  }
}
