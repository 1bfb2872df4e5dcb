import { randomUUID } from 'node:crypto'
import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { EspalierError } from '../lib/errors.ts'
import { replaceFile } from '../lib/replace-file.ts'
import { changeJson } from './change-json.ts'
import { chooseEnvironment, listEnvironments, parseDeployment } from './deployment-file.ts'
import type { SettingValue } from './setting-types.ts'
import type { SettingKey } from './settings.ts'

/**
 * Sets one value in a deployment file; order and spaces of everything else stay. It is set in the environment that is
 * named, else in the only one, else for all.
 * @throws EspalierError `invalid_config` for a file or a value that cannot be; the file is then as it was
 */
export async function updateDeploymentFile(
  path: string,
  environment: string | null | undefined,
  key: SettingKey,
  value: SettingValue,
): Promise<void> {
  const text = await readFile(path, 'utf8')
  const wanted = environment ?? undefined
  const name = chooseEnvironment(path, listEnvironments(path, text), wanted)
  const place = [...(name === null ? [] : ['environments', name]), ...key.split('.')]
  const changed = changeJson(text, place, value)
  parseDeployment(path, changed, name ?? undefined)
  await writeDeploymentFile(path, changed)
}

/** Writes a deployment file in one step: a reader sees the old text or the new one. */
export async function writeDeploymentFile(path: string, text: string): Promise<void> {
  const draft = join(dirname(path), `.${randomUUID()}.tmp`)
  try {
    await writeFile(draft, text, { flag: 'wx', mode: await modeOf(path) })
    await replaceFile(draft, path)
  } catch (error) {
    await rm(draft, { force: true })
    const { code = String(error) } = error as NodeJS.ErrnoException
    throw new EspalierError('invalid_config', `it cannot be written: ${code}`, {
      place: { source: path },
      cause: error,
    })
  }
}

async function modeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).mode & 0o777
  } catch {
    return 0o644
  }
}
