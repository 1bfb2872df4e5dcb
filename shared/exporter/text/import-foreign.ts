import { existsSync } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { EspalierError } from '../../lib/errors.ts'
import type { GraphSpec } from '../../lib/manifests/encoder-manifest.ts'
import { GraphBuilder } from '../../onnx/graph.ts'
import { type NamedTensor, openSession, type Session } from '../../runtime/session.ts'
import { type FileEntry, hashFile, writeModel } from '../source/model-file.ts'
import type { Pooling } from '../source/source-config.ts'
import type { EncoderWeights } from '../source/weights.ts'
import { addPooling, buildPoolingGraph } from './pooling-graph.ts'

const ROLES = { input_ids: 'ids', attention_mask: 'mask', token_type_ids: 'types' } as const
const INPUT_TYPES = ['int32', 'int64', 'float32'] as const
/** Tokens of the trial run that finds out what a graph gives. */
const TRIAL_TOKENS = 3
const POOLING_NAME = 'pooling'

/** A foreign encoder, copied into an artifact as it is, with a pooling graph of ours behind it. */
export interface ForeignEncoder {
  readonly spec: Omit<GraphSpec, 'fingerprint'>
  readonly dimension: number
  readonly files: Readonly<Record<string, FileEntry>>
}

/**
 * Copies an ONNX encoder with the usual text inputs (`input_ids`, `attention_mask`, `token_type_ids`) that gives
 * hidden states [batch, tokens, hidden] or one vector a text.
 * @throws EspalierError `unsupported_model` naming the inputs or outputs that do not fit
 */
export async function importForeign(
  path: string,
  target: string,
  pooling: Pooling,
  dense: EncoderWeights['dense'],
): Promise<ForeignEncoder> {
  const files: Record<string, FileEntry> = {}
  const data = [`${basename(path)}_data`, `${basename(path)}.data`].find((name) =>
    existsSync(join(dirname(path), name)),
  )
  for (const name of data ? [basename(path), data] : [basename(path)]) {
    await copyFile(join(dirname(path), name), join(target, name))
    files[name] = await hashFile(join(target, name))
  }
  const session = await openSession(join(target, basename(path)))
  try {
    const inputs = describeInputs(session)
    const { output, tensor } = await tryRun(session, inputs)
    const width = tensor.dims.at(-1) as number
    const graph =
      tensor.dims.length === 3
        ? buildPoolingGraph(pooling, width, dense)
        : buildVectorGraph(width, dense)
    Object.assign(files, await writeModel(graph, target, POOLING_NAME))
    const spec = {
      file: basename(path),
      data: data ?? null,
      inputs,
      embedding: 'embedding',
      pooled: 'pooled',
      hidden: output,
      pooling: `${POOLING_NAME}.onnx`,
    }
    return { spec, dimension: dense?.outputs ?? width, files }
  } finally {
    await session.release()
  }
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
): Promise<{ output: string; tensor: NamedTensor }> {
  const feeds: Record<string, NamedTensor> = {}
  for (const { name, role, type } of inputs) {
    const value = role === 'types' ? 0 : 1
    const dims = [1, TRIAL_TOKENS]
    const data =
      type === 'int64'
        ? new BigInt64Array(TRIAL_TOKENS).fill(BigInt(value))
        : (type === 'int32' ? new Int32Array(TRIAL_TOKENS) : new Float32Array(TRIAL_TOKENS)).fill(
            value,
          )
    feeds[name] = { data, dims }
  }
  const results = Object.entries(await session.run(feeds))
  const floats = results.filter(([, tensor]) => tensor.data instanceof Float32Array)
  const states = floats.find(([, { dims }]) => dims.length === 3 && dims[1] === TRIAL_TOKENS)
  const chosen = states ?? floats.find(([, { dims }]) => dims.length === 2 && dims[0] === 1)
  if (chosen) return { output: chosen[0], tensor: chosen[1] }
  const shapes = results.map(([name, { dims }]) => `${name} [${dims.join(', ')}]`).join(', ')
  throw new EspalierError(
    'unsupported_model',
    `ONNX outputs ${shapes}; supported: float32 hidden states [batch, tokens, hidden] or vectors [batch, dimension]`,
  )
}

/** For graphs that pool by themselves: vectors in, the same and normalised ones out. */
function buildVectorGraph(width: number, dense: EncoderWeights['dense']) {
  const g = new GraphBuilder('pooling')
  const vectors = g.input('hidden', 'float32', ['batch', width])
  const mask = g.input('mask', 'float32', ['batch', 'tokens'])
  const states = g.op('Unsqueeze', [vectors, g.int64s(1)])
  addPooling(g, { states, mask, pooling: 'cls', hidden: width, dense })
  return g.build()
}
