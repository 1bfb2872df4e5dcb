import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Makes a folder one of built-in heads of which there is none; returns it. */
export async function writeEmptyBuiltins(folder: string): Promise<string> {
  await writeFile(join(folder, 'builtins.json'), '[]')
  return folder
}
