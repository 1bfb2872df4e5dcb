import { EspalierError } from '../../lib/errors.ts'
import type { GraphSpec, Precision } from '../../lib/manifests/encoder-manifest.ts'
import type { ModelScan } from '../../onnx/scan-model.ts'
import { type NamedTensor, openSession, type Session } from '../../runtime/session.ts'
import { isLogits } from '../source/output-layer.ts'
import type { Pooling } from '../source/source-config.ts'

const ROLES = { input_ids: 'ids', attention_mask: 'mask', token_type_ids: 'types' } as const
const INPUT_TYPES = ['int32', 'int64', 'float32'] as const
/** Tokens of the trial run that finds out what a graph gives. */
const TRIAL_TOKENS = 3
/** What exporters call a vector that the graph has made of a whole text. */
const OWN_VECTOR = 'sentence_embedding'
const STATES = ['last_hidden_state', 'token_embeddings']
/** Operators whose scale comes from all that is in a run. */
const DYNAMIC = ['DynamicQuantizeLinear', 'DynamicQuantizeMatMul', 'DynamicQuantizeLSTM']
const QUANTISED = [...DYNAMIC, 'QLinearMatMul', 'MatMulInteger', 'DequantizeLinear', 'QAttention']

/** What somebody's graph reads and gives, found out by running it once. */
export interface ForeignGraph {
  readonly inputs: GraphSpec['inputs']
  /** The output that becomes the embedding. */
  readonly output: string
  /** Hidden states [batch, tokens, width], or one vector a text, [batch, width]. */
  readonly gives: 'states' | 'vectors'
  readonly width: number
  readonly type: 'float32' | 'float16'
  /** False where earlier releases took another output of the same graph. */
  readonly isFirstChoice: boolean
  /** Sizes that the graph does not leave free. */
  readonly shape: { readonly rows: number | null; readonly tokens: number | null } | null
  /** What its products are computed in. */
  readonly precision: Precision
  /** Scales hang on all that is in a run. */
  readonly isDynamic: boolean
}

/** What decides between the outputs of a graph beside their names. */
export interface OutputHints {
  /** Said by somebody: hidden states are pooled so, whatever vectors the graph gives. */
  readonly pooling?: Pooling | undefined
  /** Numbers of an answer that is no embedding: labels of a classifier, words of a vocabulary. */
  readonly answerWidths: readonly number[]
}

/**
 * Reads and tries an ONNX encoder with the usual text inputs (`input_ids`, `attention_mask`, `token_type_ids`). Its own
 * `sentence_embedding` wins over hidden states, unless a pooling is asked for.
 * @returns the graph, and the outputs that answer instead of embedding, which were passed over
 * @throws EspalierError `unsupported_model` naming the inputs or outputs that do not fit, `invalid_model_file`
 */
export async function readForeignGraph(
  path: string,
  scan: ModelScan,
  hints: OutputHints,
): Promise<{ readonly graph: ForeignGraph; readonly answers: readonly string[] }> {
  const session = await openSession(path)
  try {
    const inputs = describeInputs(session)
    const shape = fixedShape(scan)
    const rows = shape?.rows ?? 1
    const tokens = shape?.tokens ?? TRIAL_TOKENS
    const results = await tryRun(session, inputs, rows, tokens)
    const all = Object.entries(results).filter(([, { data }]) => isFloat(data))
    const isAnswer = ([name, { dims }]: Result) =>
      isLogits(name) || hints.answerWidths.includes(dims.at(-1) ?? 0)
    const answers = all.filter(isAnswer).map(([name]) => name)
    const isStates = ([, { dims }]: Result) =>
      dims.length === 3 && dims[0] === rows && dims[1] === tokens
    const isVectors = ([, { dims }]: Result) => dims.length === 2 && dims[0] === rows
    const usable = all.filter((result) => !isAnswer(result))
    const [states, vectors] = [usable.filter(isStates), usable.filter(isVectors)]
    const named = states.find(([name]) => STATES.includes(name)) ?? states[0]
    const own = vectors.find(([name]) => name === OWN_VECTOR)
    const chosen = (hints.pooling ? (named ?? own) : (own ?? named)) ?? vectors[0]
    if (!chosen) throw noOutput(results, answers)
    const before = all.find(isStates) ?? all.find(isVectors)
    const graph: ForeignGraph = {
      inputs,
      output: chosen[0],
      gives: isStates(chosen) ? 'states' : 'vectors',
      width: chosen[1].dims.at(-1) as number,
      type: chosen[1].data instanceof Float32Array ? 'float32' : 'float16',
      isFirstChoice: before?.[0] === chosen[0],
      shape,
      precision: precisionOfScan(scan),
      isDynamic: isDynamic(scan),
    }
    return { graph, answers }
  } finally {
    await session.release()
  }
}

/** True for a graph whose scales come from all that is in a run, so that a vector hangs on its neighbours. */
export function isDynamic({ operators }: ModelScan): boolean {
  return DYNAMIC.some((name) => operators.has(name))
}

type Result = readonly [string, NamedTensor]

function isFloat(data: NamedTensor['data']): boolean {
  return data instanceof Float32Array || data instanceof Uint16Array
}

/** What the products of a graph are computed in, as its operators and weights say. */
export function precisionOfScan(scan: ModelScan): Precision {
  if (QUANTISED.some((name) => scan.operators.has(name))) return 'int8'
  return scan.isHalf ? 'float16' : 'float32'
}

/** The sizes of `input_ids` that are numbers. */
function fixedShape({ inputs }: ModelScan): ForeignGraph['shape'] {
  const [rows, tokens] = inputs.find(({ name }) => name === 'input_ids')?.shape ?? []
  const fixed = {
    rows: typeof rows === 'number' && rows > 0 ? rows : null,
    tokens: typeof tokens === 'number' && tokens > 0 ? tokens : null,
  }
  return fixed.rows === null && fixed.tokens === null ? null : fixed
}

function describeInputs(session: Session): GraphSpec['inputs'] {
  const inputs = session.inputNames.map((name, i) => {
    const role = Object.hasOwn(ROLES, name) ? ROLES[name as keyof typeof ROLES] : undefined
    const type = INPUT_TYPES.find((candidate) => candidate === session.inputTypes[i])
    if (role && type) return { name, role, type }
    throw new EspalierError(
      'unsupported_model',
      `ONNX input ${name} (${session.inputTypes[i]}); supported: ${Object.keys(ROLES).join(', ')}`,
    )
  })
  if (inputs.some((input) => input.role === 'ids')) return inputs
  throw new EspalierError('unsupported_model', 'the ONNX graph has no input input_ids')
}

async function tryRun(
  session: Session,
  inputs: GraphSpec['inputs'],
  rows: number,
  tokens: number,
): Promise<Record<string, NamedTensor>> {
  const size = rows * tokens
  const feeds: Record<string, NamedTensor> = {}
  for (const { name, role, type } of inputs) {
    const value = role === 'types' ? 0 : 1
    const data =
      type === 'int64'
        ? new BigInt64Array(size).fill(BigInt(value))
        : (type === 'int32' ? new Int32Array(size) : new Float32Array(size)).fill(value)
    feeds[name] = { data, dims: [rows, tokens] }
  }
  try {
    return await session.run(feeds)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new EspalierError(
      'unsupported_model',
      `the ONNX graph cannot be run on ${rows} x ${tokens} tokens: ${reason.split('\n')[0]}`,
      { cause },
    )
  }
}

function noOutput(
  results: Readonly<Record<string, NamedTensor>>,
  answers: readonly string[],
): EspalierError {
  const shapes = Object.entries(results)
    .map(([name, { dims }]) => `${name} [${dims.join(', ')}]`)
    .join(', ')
  const message =
    answers.length > 0
      ? `the ONNX graph gives ${shapes}: answers of an output layer and no hidden states; export the encoder without that layer`
      : `ONNX outputs ${shapes}; supported: float32 or float16 hidden states [batch, tokens, hidden] or vectors [batch, dimension]`
  return new EspalierError('unsupported_model', message)
}
