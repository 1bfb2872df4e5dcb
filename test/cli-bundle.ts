import { join } from 'node:path'
import { inject } from 'vitest'

/** The program as `bundle-setup.ts` bundled it for all tests of this run, which leave it as it is. */
export function bundledCli(): { readonly folder: string; readonly script: string } {
  const folder = inject('program')
  return { folder, script: join(folder, 'dist/cli.js') }
}
