import { createHash } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { z } from 'zod'
import { replaceFile } from '../lib/replace-file.ts'
import { systemCode } from '../lib/system-errors.ts'
import { isModelName } from '../lib/text/model-address.ts'
import {
  decodeManifest,
  encodeManifest,
  modelKindSchema,
  type VersionManifest,
} from './records/manifest.ts'
import { decodeState } from './records/state.ts'
import type { ScannedModel } from './scan.ts'
import { ensureFolder, TemporaryFolder } from './stores/folders.ts'

const SCHEMA = 1

const knownSchema = z.object({
  schema: z.literal(SCHEMA),
  models: z.array(
    z.object({
      name: z.string().refine(isModelName),
      kind: modelKindSchema,
      versions: z.array(z.int().min(1)).min(1),
      state: z.looseObject({}),
    }),
  ),
})

/**
 * What a registry said when it was read last, in a local folder that processes share: enough to start from while
 * the registry is away. A damaged file counts as none.
 */
export class KnownModels {
  readonly #folder: string
  readonly #temporary: TemporaryFolder
  #written: string | null = null

  /** @param folder of the cache; each registry has a place of its own in it */
  constructor(url: string, folder: string) {
    const place = createHash('sha256').update(url).digest('hex').slice(0, 32)
    this.#folder = join(resolve(folder), 'known', place)
    this.#temporary = new TemporaryFolder(join(resolve(folder), '.tmp'))
  }

  /** Keeps the models, without their history. Throws where the disk fails. */
  async remember(models: Iterable<ScannedModel>): Promise<void> {
    const listed = [...models].map(({ name, kind, versions, state }) => {
      return { name, kind, versions, state: { ...state, history: [] } }
    })
    listed.sort((a, b) => (a.name < b.name ? -1 : 1))
    const text = JSON.stringify({ schema: SCHEMA, models: listed })
    if (text === this.#written) return
    await this.#write('models.json', Buffer.from(text))
    this.#written = text
  }

  /** What was kept last; null where there is nothing. */
  async recall(): Promise<ScannedModel[] | null> {
    const body = await this.#read('models.json')
    if (body === null) return null
    try {
      const { models } = knownSchema.parse(JSON.parse(body.toString('utf8')))
      return models.map(({ state, ...model }) => {
        const source = { url: this.#folder, name: model.name }
        return { ...model, state: decodeState(Buffer.from(JSON.stringify(state)), source) }
      })
    } catch {
      return null
    }
  }

  /** Keeps a manifest, which never changes. Throws where the disk fails. */
  async rememberVersion(manifest: VersionManifest): Promise<void> {
    const path = versionPath(manifest.name, manifest.version)
    if ((await this.#read(path)) === null) await this.#write(path, encodeManifest(manifest))
  }

  /** A manifest that was kept; null where it was not. */
  async recallVersion(name: string, version: number): Promise<VersionManifest | null> {
    const body = await this.#read(versionPath(name, version))
    if (body === null) return null
    try {
      const record = decodeManifest(body, { url: this.#folder, name, version })
      return 'deleted' in record ? null : record
    } catch {
      return null
    }
  }

  async #read(path: string): Promise<Buffer | null> {
    try {
      return await readFile(join(this.#folder, path))
    } catch (error) {
      if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return null
      throw error
    }
  }

  async #write(path: string, body: Uint8Array): Promise<void> {
    const target = join(this.#folder, path)
    const temporary = await this.#temporary.next()
    try {
      await writeFile(temporary, body)
      await ensureFolder(dirname(target))
      await replaceFile(temporary, target)
    } finally {
      await rm(temporary, { force: true })
    }
  }
}

function versionPath(name: string, version: number): string {
  return join('versions', name, `${version}.json`)
}
