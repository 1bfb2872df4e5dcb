import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EspalierError } from '../../lib/errors.ts'
import { explainRefusal } from '../../lib/system-errors.ts'
import type { Graph } from '../../onnx/graph.ts'
import { writeModel } from '../source/model-file.ts'

/** Writes a graph that is needed only for the length of `use`, with its constants beside it. */
export async function withModelFile<T>(
  graph: Graph,
  use: (path: string) => Promise<T>,
): Promise<T> {
  const folder = await explained(mkdtemp(join(tmpdir(), 'espalier-')))
  try {
    await explained(writeModel(graph, folder, 'model'))
    return await use(join(folder, 'model.onnx'))
  } finally {
    // A few attempts: Windows frees a file a little later than whoever had it open.
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

async function explained<T>(action: Promise<T>): Promise<T> {
  return action.catch((cause: unknown) => {
    const why = explainRefusal(cause, 'set TMPDIR to another folder')
    if (why === null) throw cause
    const message = `the folder of temporary files ${tmpdir()} cannot be used: ${why}`
    throw new EspalierError('invalid_config', message, { cause, param: 'TMPDIR' })
  })
}
