import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Graph } from '../../onnx/graph.ts'
import { writeModel } from '../source/model-file.ts'

/** Writes a graph that is needed only for the length of `use`, with its constants beside it. */
export async function withModelFile<T>(
  graph: Graph,
  use: (path: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'espalier-'))
  try {
    await writeModel(graph, folder, 'model')
    return await use(join(folder, 'model.onnx'))
  } finally {
    // A few attempts: Windows frees a file a little later than whoever had it open.
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}
