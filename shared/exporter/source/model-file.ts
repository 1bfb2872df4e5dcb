import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EspalierError } from '../../lib/errors.ts'
import { explainRefusal } from '../../lib/system-errors.ts'
import type { Graph } from '../../onnx/graph.ts'
import { serializeModel } from '../../onnx/writer.ts'

/** What an artifact's manifest says of each of its files. */
export interface FileEntry {
  readonly sha256: string
  readonly bytes: number
}

/** Writes a file in pieces, to disk, hashing on the way. */
export async function writeHashedFile(
  path: string,
  pieces: readonly Uint8Array[],
): Promise<FileEntry> {
  const hash = createHash('sha256')
  const handle = await open(path, 'wx')
  let bytes = 0
  try {
    for (const piece of pieces) {
      hash.update(piece)
      bytes += piece.byteLength
      await handle.writeFile(piece)
    }
    await handle.sync()
  } finally {
    await handle.close()
  }
  return { sha256: hash.digest('hex'), bytes }
}

/** Hashes a file that is there already. */
export async function hashFile(path: string): Promise<FileEntry> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    hash.update(chunk)
    bytes += chunk.length
  }
  return { sha256: hash.digest('hex'), bytes }
}

/** Writes `<name>.onnx`, and `<name>.onnx.data` if it has large constants. Keys are file names. */
export async function writeModel(
  graph: Graph,
  folder: string,
  name: string,
): Promise<Record<string, FileEntry>> {
  const file = `${name}.onnx`
  const dataFile = `${file}.data`
  const model = serializeModel(graph, { file: dataFile })
  const entries: Record<string, FileEntry> = {
    [file]: await writeHashedFile(join(folder, file), [model.graph]),
  }
  if (model.data.length > 0) {
    entries[dataFile] = await writeHashedFile(join(folder, dataFile), model.data)
  }
  return entries
}

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

/** Hex sha256 of bytes or text. */
export function sha256(content: Uint8Array | string): string {
  return createHash('sha256').update(content).digest('hex')
}

async function explained<T>(action: Promise<T>): Promise<T> {
  return action.catch((cause: unknown) => {
    const why = explainRefusal(cause, 'set TMPDIR to another folder')
    if (why === null) throw cause
    const message = `the folder of temporary files ${tmpdir()} cannot be used: ${why}`
    throw new EspalierError('invalid_config', message, { cause, param: 'TMPDIR' })
  })
}
