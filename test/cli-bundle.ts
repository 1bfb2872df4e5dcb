import { mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundleProgram } from '../bundle.mjs'

const root = fileURLToPath(new URL('../', import.meta.url))

/**
 * Bundles the command line from the present sources as the build does, beside a link to `infra`. It lies
 * under node_modules, so that its packages are found; the caller removes `folder`.
 */
export async function bundleCli(): Promise<{ readonly folder: string; readonly script: string }> {
  const folder = join(root, 'node_modules/.cache/espalier-test', `cli-${process.pid}`)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  // A junction: Windows lets everybody make those.
  symlinkSync(join(root, 'infra'), join(folder, 'infra'), 'junction')
  await bundleProgram(join(folder, 'dist'))
  return { folder, script: join(folder, 'dist/cli.js') }
}
