import { join } from 'node:path'
import { EspalierError } from '../../lib/errors.ts'
import type { GraphSpec, TextEncoderManifest } from '../../lib/manifests/encoder-manifest.ts'
import type { Group } from '../grouping.ts'
import { type Device, type NamedTensor, openSession, type TensorData } from '../session.ts'

/** Which vectors of a run are wanted. */
export interface WantedOutputs {
  readonly embedding: boolean
  readonly pooled: boolean
}

/** Shape [members, dimension] each; null where not asked for. */
export interface GraphOutputs {
  readonly embedding: Float32Array | null
  readonly pooled: Float32Array | null
}

/** The open graph of one text encoder; owned by one thread. */
export interface TextGraph {
  /** Runs one padded group; `ids` holds the token ids of every input of the job. */
  run(
    ids: readonly (readonly number[])[],
    group: Group,
    wanted: WantedOutputs,
  ): Promise<GraphOutputs>
  release(): Promise<void>
}

/**
 * Opens a graph of the artifact, and the pooling graph of a foreign encoder.
 * @param shapes the device whose shapes runs are given; another than `device` in tests only
 * @throws EspalierError `invalid_model_file`
 */
export async function openTextGraph(
  artifactDir: string,
  manifest: TextEncoderManifest,
  spec: GraphSpec,
  device: Device,
  shapes: Device = device,
): Promise<TextGraph> {
  // Our own graphs are written as a CPU should run them: the same bits and speed, loaded sooner.
  const optimization = manifest.architecture === 'onnx' || device !== 'cpu' ? 'all' : 'disabled'
  const session = await openSession(join(artifactDir, spec.file), { device, optimization })
  const pooling = spec.pooling ? await openSession(join(artifactDir, spec.pooling)) : null
  const { dimension, padId, maxTokens } = manifest

  return {
    async run(ids, group, wanted) {
      const free = shapeRun(group.members.length, group.width, maxTokens, shapes)
      const shape = { rows: spec.shape?.rows ?? free.rows, width: spec.shape?.tokens ?? free.width }
      const dims = [shape.rows, shape.width]
      const feeds: Record<string, NamedTensor> = {}
      for (const input of spec.inputs) {
        const data = fillInput(input.role, input.type, ids, group, shape, padId)
        feeds[input.name] = { data, dims }
      }
      const names: string[] = []
      if (wanted.embedding) names.push(spec.embedding)
      if (wanted.pooled && spec.pooled) names.push(spec.pooled)
      if (wanted.pooled && !spec.pooled) {
        const reason = 'this encoder offers normalised vectors only: leave normalize on'
        throw new EspalierError('invalid_request', reason)
      }
      let outputs: Record<string, NamedTensor>
      if (spec.hidden && pooling) {
        const inner = await session.run(feeds, [spec.hidden])
        const hidden = inner[spec.hidden] as NamedTensor
        const mask = fillInput('mask', 'float32', ids, group, shape, padId)
        const poolingFeeds = { hidden, mask: { data: mask, dims } }
        outputs = await pooling.run(poolingFeeds, names)
      } else {
        outputs = await session.run(feeds, names)
      }
      const read = (name: string) =>
        vectorsOf(outputs, name, shape.rows, dimension).subarray(
          0,
          group.members.length * dimension,
        )
      return {
        embedding: wanted.embedding ? read(spec.embedding) : null,
        pooled: wanted.pooled && spec.pooled ? read(spec.pooled) : null,
      }
    },
    async release() {
      await session.release()
      await pooling?.release()
    },
  }
}

type Role = GraphSpec['inputs'][number]['role']
type InputType = GraphSpec['inputs'][number]['type']

/** One input of the run's shape: padded ids, 1/0 mask, or zeros. A row beyond the members is one token of padding. */
function fillInput(
  role: Role,
  type: InputType,
  ids: readonly (readonly number[])[],
  { members }: Group,
  { rows, width }: RunShape,
  padId: number,
): TensorData {
  const size = rows * width
  const tensor = type === 'float32' ? new Float32Array(size) : new Int32Array(size)
  if (role !== 'types') {
    members.forEach((member, row) => {
      const from = row * width
      const tokens = ids[member] as readonly number[]
      if (role === 'ids') {
        for (let i = 0; i < tokens.length; i++) tensor[from + i] = tokens[i] as number
        tensor.fill(padId, from + tokens.length, from + width)
      } else {
        tensor.fill(1, from, from + tokens.length)
      }
    })
    if (role === 'ids') tensor.fill(padId, members.length * width)
    else for (let row = members.length; row < rows; row++) tensor[row * width] = 1
  }
  return type === 'int64' ? widen(tensor) : tensor
}

/** To int64 by writing low words: many times faster than converting each number to a BigInt. */
function widen(values: Int32Array | Float32Array): BigInt64Array {
  const wide = new BigInt64Array(values.length)
  const words = new Int32Array(wide.buffer)
  for (let i = 0; i < values.length; i++) words[2 * i] = values[i] as number
  return wide
}

function vectorsOf(
  outputs: Readonly<Record<string, NamedTensor>>,
  name: string,
  rows: number,
  dimension: number,
): Float32Array {
  const tensor = outputs[name]
  if (!(tensor?.data instanceof Float32Array) || tensor.data.length !== rows * dimension) {
    const got = tensor ? `[${tensor.dims.join(', ')}]` : 'nothing'
    const wanted = `float32 [${rows}, ${dimension}]`
    throw new EspalierError('invalid_model_file', `output ${name} is ${got}, not ${wanted}`)
  }
  return tensor.data
}

/** Matrix units of GPUs work on eight columns at a time. */
const MIN_WIDTH = 8

/** The shape that a run is padded to. */
export interface RunShape {
  readonly rows: number
  readonly width: number
}

/**
 * The next of 1, 2, 3, 4, 6, 8, 12, 16 …: two sizes for each doubling, so that few shapes occur and padding adds
 * half at the worst.
 */
export function roundUpSize(size: number): number {
  const octave = 2 ** Math.ceil(Math.log2(Math.max(1, size)))
  const between = 0.75 * octave
  return octave >= 4 && size <= between ? between : octave
}

/**
 * The shape of a run of texts on a device. A GPU keeps memory and plans for every shape that it has seen, so
 * that it sees few: rows and width are rounded up. CPUs run every shape as it is.
 * @param maxWidth the encoder's positions
 */
export function shapeRun(rows: number, width: number, maxWidth: number, device: Device): RunShape {
  if (device === 'cpu') return { rows, width }
  const rounded = roundUpSize(Math.max(width, MIN_WIDTH))
  // A foreign graph may have been made for longer inputs than the encoder is said to read.
  return { rows: roundUpSize(rows), width: Math.max(width, Math.min(rounded, maxWidth)) }
}
