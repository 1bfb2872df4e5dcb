import { mkdirSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { bundleWorker as bundleEncoderWorker } from '../bundle.mjs'

const root = fileURLToPath(new URL('../', import.meta.url))

/**
 * Bundles the encoder worker from the present sources and returns its URL. It lies under node_modules, so
 * that its packages are found; one file per process, so that test files may run side by side.
 * @param entry another worker to bundle: test/fakes/faulty-worker.ts
 */
export async function bundleWorker(entry = 'shared/runtime/workers/worker.ts'): Promise<URL> {
  const folder = `${root}node_modules/.cache/espalier-test`
  mkdirSync(folder, { recursive: true })
  const name = entry.replaceAll(/[^a-z]+/g, '-')
  const outfile = `${folder}/${name}-${process.pid}.cjs`
  await bundleEncoderWorker(outfile, { entry })
  return pathToFileURL(outfile)
}
