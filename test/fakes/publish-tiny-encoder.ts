import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TextEncoderManifest } from '../../shared/lib/manifests/encoder-manifest.ts'
import type { Registry, RegistryVersion } from '../../shared/registry/types.ts'
import { writeTinyEncoder } from './tiny-encoder.ts'

/** Publishes a tiny encoder with all its files, and makes it the champion unless told otherwise. */
export async function publishTinyEncoder(
  registry: Registry,
  name: string,
  options: {
    /** What `encoder.json` says otherwise. */
    readonly changes?: Partial<TextEncoderManifest>
    /** What the registry's manifest says. */
    readonly family?: string
    readonly promote?: boolean
  } = {},
): Promise<RegistryVersion> {
  const folder = await mkdtemp(join(tmpdir(), 'espalier-tiny-'))
  try {
    const manifest = { ...(await writeTinyEncoder(folder)), ...options.changes }
    await writeFile(join(folder, 'encoder.json'), JSON.stringify(manifest))
    const files = ['encoder.json', ...Object.keys(manifest.files)]
    const { version } = await registry.publish({
      name,
      kind: 'embedding',
      family: options.family ?? manifest.family,
      metadata: {},
      files: await Promise.all(
        files.map(async (path) => ({
          path,
          source: { bytes: await readFile(join(folder, path)) },
        })),
      ),
    })
    if (options.promote ?? true) await registry.promote(name, version.version)
    return version
  } finally {
    await rm(folder, { recursive: true })
  }
}
