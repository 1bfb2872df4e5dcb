import { createReadStream, existsSync } from 'node:fs'
import { copyFile, open, readFile, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { EspalierError } from '../../lib/errors.ts'
import type { GraphSpec } from '../../lib/manifests/encoder-manifest.ts'
import { type Graph, GraphBuilder } from '../../onnx/graph.ts'
import { relocateData } from '../../onnx/relocate-data.ts'
import type { ModelScan } from '../../onnx/scan-model.ts'
import { type FileEntry, hashFile, writeModel } from '../source/model-file.ts'
import { locateData } from '../source/own-files.ts'
import type { Pooling } from '../source/source-config.ts'
import type { EncoderWeights } from '../source/weights.ts'
import type { ForeignGraph } from './foreign-graph.ts'
import { addPooling } from './pooling-graph.ts'

const POOLING_NAME = 'pooling'
/** Parts begin at pages, so that they can be mapped. */
const PAGE_BYTES = 4096
/** As the manifest has them. */
const PLAIN_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/

/** A foreign graph with its weights, as it lies in an artifact. */
export interface CopiedModel {
  readonly file: string
  readonly data: string | null
  readonly files: Readonly<Record<string, FileEntry>>
}

/** A foreign encoder, copied into an artifact as it is, with a pooling graph of ours behind it. */
export interface ForeignEncoder {
  readonly spec: Omit<GraphSpec, 'fingerprint'>
  readonly dimension: number
  readonly files: Readonly<Record<string, FileEntry>>
}

/**
 * Puts pooling behind a copied graph.
 * @param pooling of hidden states; null for a graph that gives vectors
 */
export async function addForeignPooling(
  { file, data, files }: CopiedModel,
  target: string,
  graph: ForeignGraph,
  pooling: Pooling | null,
  dense: EncoderWeights['dense'],
): Promise<ForeignEncoder> {
  const { output, width, shape, isDynamic } = graph
  const behind = await writeModel(buildGraphBehind(graph, pooling, dense), target, POOLING_NAME)
  const spec = {
    file,
    data,
    inputs: graph.inputs,
    embedding: 'embedding',
    pooled: 'pooled',
    hidden: output,
    pooling: `${POOLING_NAME}.onnx`,
    ...(shape && { shape }),
    ...(isDynamic && { alone: true as const }),
  }
  return { spec, dimension: dense?.outputs ?? width, files: { ...files, ...behind } }
}

/**
 * Copies a graph into an artifact; weights in one file of a plain name stay as they are, others become one file.
 * @param root the folder of the model, outside of which nothing is read
 * @throws EspalierError `invalid_model_file` where weights are missing
 */
export async function copyForeign(
  root: string,
  path: string,
  target: string,
  scan: ModelScan,
): Promise<CopiedModel> {
  const find = (name: string) => locateData(root, dirname(path), name)
  const file = PLAIN_NAME.test(basename(path)) ? basename(path) : 'model.onnx'
  const [only = usualData(path), ...others] = scan.dataFiles
  const files: Record<string, FileEntry> = {}
  let data: string | null = only
  if (only !== null && (others.length > 0 || !PLAIN_NAME.test(only))) {
    data = `${file}.data`
    const names = [only, ...others]
    const sources = await Promise.all(names.map(async (name) => [name, await find(name)] as const))
    const starts = await joinFiles(sources, join(target, data))
    await writeFile(join(target, file), relocateData(await readFile(path), data, starts))
  } else {
    await copyFile(path, join(target, file))
    if (only !== null) await copyFile(await find(only), join(target, only))
  }
  for (const name of data === null ? [file] : [file, data]) {
    files[name] = await hashFile(join(target, name))
  }
  return { file, data, files }
}

/** Weights under a usual name belong to a graph, even where it does not mention them. */
function usualData(path: string): string | null {
  const names = [`${basename(path)}_data`, `${basename(path)}.data`]
  return names.find((name) => existsSync(join(dirname(path), name))) ?? null
}

/** Writes files one after the other; returns where each begins. */
async function joinFiles(
  sources: readonly (readonly [name: string, path: string])[],
  target: string,
): Promise<Map<string, number>> {
  const starts = new Map<string, number>()
  const output = await open(target, 'wx')
  try {
    let end = 0
    for (const [name, path] of sources) {
      starts.set(name, end)
      for await (const piece of createReadStream(path) as AsyncIterable<Buffer>) {
        await output.writeFile(piece)
      }
      const { size } = await stat(path)
      const padding = (PAGE_BYTES - (size % PAGE_BYTES)) % PAGE_BYTES
      await output.writeFile(new Uint8Array(padding))
      end += size + padding
    }
  } finally {
    await output.close()
  }
  return starts
}

/** Output and mask → `pooled` and `embedding`; vectors are taken as they are. */
function buildGraphBehind(
  { gives, type, width }: ForeignGraph,
  pooling: Pooling | null,
  dense: EncoderWeights['dense'],
): Graph {
  const g = new GraphBuilder('pooling')
  const isStates = gives === 'states'
  const given = g.input('hidden', type, isStates ? ['batch', 'tokens', width] : ['batch', width])
  const mask = g.input('mask', 'float32', ['batch', 'tokens'])
  const wide = type === 'float32' ? given : g.op('Cast', [given], { to: 1 })
  const states = isStates ? wide : g.op('Unsqueeze', [wide, g.int64s(1)])
  if (isStates && pooling === null) throw new EspalierError('internal', 'no pooling for states')
  addPooling(g, { states, mask, pooling: pooling ?? 'cls', hidden: width, dense })
  return g.build()
}
