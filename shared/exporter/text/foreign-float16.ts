import { join } from 'node:path'
import { isEspalierError } from '../../lib/errors.ts'
import type { GraphSpec } from '../../lib/manifests/encoder-manifest.ts'
import type { Graph } from '../../onnx/graph.ts'
import { halveProducts } from '../../onnx/halve-products.ts'
import { type FileEntry, writeModel } from '../source/model-file.ts'
import { readOnnxFile } from '../source/onnx-file.ts'

/** The first operator set with all that a guard is made of. */
const MIN_OPSET = 9

/** A graph in an artifact. */
export interface PlacedGraph {
  readonly place: Pick<GraphSpec, 'file' | 'data'>
  readonly files: Readonly<Record<string, FileEntry>>
}

/** Somebody's graph with its products in float16. */
export interface HalvedForeign extends PlacedGraph {
  /** The same, with infinite numbers where float16 would overflow: to be tried, and removed. */
  readonly guarded: PlacedGraph
}

/**
 * Writes a graph that lies in a folder once more, with its products in float16. Inputs and outputs stay as they are, so
 * that what is behind it serves both.
 * @returns where it lies, or why there is none
 * @throws EspalierError `invalid_model_file`
 */
export async function halveForeign(
  file: string,
  folder: string,
): Promise<HalvedForeign | { readonly why: string }> {
  // Whoever named a file so has taken the name.
  const name = file === 'float16.onnx' ? 'float16-products' : 'float16'
  try {
    const whole = await readOnnxFile(join(folder, file))
    if (whole.opset < MIN_OPSET) return { why: `its operator set is ${whole.opset}, before 9` }
    const { graph, products } = halveProducts(whole)
    if (products === 0) return { why: 'it has no matrix products by constant weights' }
    const guarded = await place(halveProducts(whole, true).graph, folder, `${name}-guarded`)
    return { ...(await place(graph, folder, name)), guarded }
  } catch (error) {
    if (!isEspalierError(error, 'unsupported_model')) throw error
    return { why: error.message }
  }
}

async function place(graph: Graph, folder: string, name: string): Promise<PlacedGraph> {
  const files = await writeModel(graph, folder, name)
  const data = Object.keys(files).find((each) => each.endsWith('.data')) ?? null
  return { place: { file: `${name}.onnx`, data }, files }
}
