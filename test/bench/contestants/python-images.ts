import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** A Python process that encodes a folder of images. */
export interface PythonImages {
  /** Milliseconds of one pass over all images. */
  run(): Promise<number>
  stop(): Promise<void>
}

/** Starts test/bench/peers/image-engine.py. @throws Error with Python's own words */
export async function startPythonImages(
  root: string,
  {
    python,
    model,
    folder,
    threads,
  }: { python: string; model: string; folder: string; threads: number },
): Promise<PythonImages> {
  const script = join(root, 'test', 'bench', 'peers', 'image-engine.py')
  const child: ChildProcessWithoutNullStreams = spawn(python, [script, model, folder, `${threads}`])
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2000)
  })
  const failed = new Promise<never>((_, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`${python} ended with code ${code}: ${said}`)))
  })
  failed.catch(() => {})
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<string> => {
    const { value } = await Promise.race([lines.next(), failed])
    return String(value)
  }
  await next()
  return {
    async run() {
      child.stdin.write('run\n')
      return Number((await next()).split(' ')[0])
    },
    async stop() {
      child.stdin.end()
      await failed.catch(() => {})
    },
  }
}
