import { mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'
import { bundleProgram } from '../bundle.mjs'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The folder of the bundled program. */
    program: string
  }
}

const root = fileURLToPath(new URL('../', import.meta.url))

/**
 * Bundles the program from the present sources as the build does, once for all tests that start it, beside a link to
 * `infra`. It lies under node_modules, so that its packages are found. Gives what removes it.
 */
export async function setup(project: TestProject): Promise<() => void> {
  const folder = join(root, 'node_modules/.cache/espalier-test', `cli-${process.pid}`)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  // A junction: Windows lets everybody make those.
  symlinkSync(join(root, 'infra'), join(folder, 'infra'), 'junction')
  const bundle = () => bundleProgram(join(folder, 'dist')).then(() => undefined)
  await bundle()
  project.provide('program', folder)
  project.onTestsRerun(bundle)
  return () => rmSync(folder, { recursive: true, force: true })
}
