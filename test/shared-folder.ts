import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../shared/', import.meta.url))

/** Path of a file in the reference data beside the project, or null where that folder is absent. */
export function sharedPath(...parts: string[]): string | null {
  const path = `${root}${parts.join('/')}`
  return existsSync(path) ? path : null
}
