import { env, InferenceSession, type OnnxValue, Tensor } from 'onnxruntime-node'
import { EspalierError } from '../lib/errors.ts'

/** Where a graph runs. */
export type Device = 'cpu' | 'cuda' | 'webgpu'

/** The element types that the product feeds and fetches. */
export type TensorData =
  | Float32Array
  | Float64Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Int8Array
  /** Float16 numbers as their bits. */
  | Uint16Array

/** A dense array with its shape. */
export interface NamedTensor {
  readonly data: TensorData
  readonly dims: readonly number[]
}

/** An open graph in the calling thread. A run blocks that thread until it ends and cannot be cancelled. */
export interface Session {
  readonly inputNames: readonly string[]
  readonly outputNames: readonly string[]
  /** Element type of each input, in the order of `inputNames`: `int64`, `float32` … */
  readonly inputTypes: readonly string[]
  run(
    feeds: Readonly<Record<string, NamedTensor>>,
    fetches?: readonly string[],
  ): Promise<Record<string, NamedTensor>>
  release(): Promise<void>
}

/** How a session is opened. */
export interface SessionOptions {
  /** Intra-op threads. @default 1 */
  readonly threads?: number
  /** @default 'cpu' */
  readonly device?: Device
  /** ONNX Runtime's graph optimisation; our own graphs are written as they should run. @default 'all' */
  readonly optimization?: 'disabled' | 'basic' | 'extended' | 'all'
  /** Busy-waiting between parallel regions: faster single runs, burnt CPU when idle. @default false */
  readonly spin?: boolean
  /** One block for all values of a run, planned anew for each shape; saves time where shapes recur. @default true */
  readonly memoryPattern?: boolean
  /** Path prefix of a file of ONNX Runtime's own profile, written when the session is released. */
  readonly profile?: string
}

/** Errors come back as exceptions; what ONNX Runtime writes to stderr besides would be said twice. */
const SILENT = 4

const TYPE_NAMES = new Map<object, Tensor.Type>([
  [Float32Array, 'float32'],
  [Float64Array, 'float64'],
  [Int32Array, 'int32'],
  [BigInt64Array, 'int64'],
  [Uint8Array, 'uint8'],
  [Int8Array, 'int8'],
  [Uint16Array, 'float16'],
])

/**
 * Opens a graph from a file (external data is found beside it) or from bytes.
 * @throws EspalierError `invalid_model_file` when ONNX Runtime refuses the graph
 */
export async function openSession(
  model: string | Uint8Array,
  options: SessionOptions = {},
): Promise<Session> {
  const settings: InferenceSession.SessionOptions = {
    executionProviders: [options.device ?? 'cpu'],
    intraOpNumThreads: options.threads ?? 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: options.optimization ?? 'all',
    logSeverityLevel: SILENT,
    enableMemPattern: options.memoryPattern ?? true,
    extra: { session: { intra_op: { allow_spinning: options.spin === true ? '1' : '0' } } },
    ...(options.profile !== undefined && {
      enableProfiling: true,
      profileFilePrefix: options.profile,
    }),
  }
  env.logLevel = 'fatal'
  const inner = await createSession(model, settings)
  return {
    inputNames: inner.inputNames,
    outputNames: inner.outputNames,
    inputTypes: inner.inputMetadata.map((meta) => (meta.isTensor ? meta.type : 'other')),
    async run(feeds, fetches) {
      const tensors: Record<string, OnnxValue> = {}
      for (const [name, value] of Object.entries(feeds)) tensors[name] = toTensor(value)
      const outputs = fetches ? await inner.run(tensors, [...fetches]) : await inner.run(tensors)
      const result: Record<string, NamedTensor> = {}
      for (const [name, value] of Object.entries(outputs)) {
        const tensor = value as Tensor
        result[name] = { data: dataOf(tensor), dims: tensor.dims }
      }
      return result
    },
    release: () => inner.release(),
  }
}

/** Some versions of Node have an array for float16; all have one for its bits. */
function dataOf(tensor: Tensor): TensorData {
  const data = tensor.data as TensorData
  if (tensor.type !== 'float16' || data instanceof Uint16Array) return data
  return new Uint16Array(data.buffer, data.byteOffset, data.length)
}

async function createSession(
  model: string | Uint8Array,
  settings: InferenceSession.SessionOptions,
): Promise<InferenceSession> {
  try {
    return typeof model === 'string'
      ? await InferenceSession.create(model, settings)
      : await InferenceSession.create(model, settings)
  } catch (cause) {
    const what = typeof model === 'string' ? model : 'graph'
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new EspalierError('invalid_model_file', `${what}: ONNX Runtime refuses it: ${reason}`, {
      cause,
    })
  }
}

function toTensor({ data, dims }: NamedTensor): Tensor {
  const type = TYPE_NAMES.get(data.constructor)
  if (!type) throw new EspalierError('internal', `no tensor type for ${data.constructor.name}`)
  return new Tensor(type, data as never, dims)
}
