import type { Encoder } from '../../shared/encoder/types.ts'
import type { EncoderSource, OpenedEncoder } from '../../shared/encoders/encoder-pools.ts'
import type { EncoderSources } from '../../shared/encoders/encoder-sources.ts'
import { EspalierError } from '../../shared/lib/errors.ts'
import { formatModelVersion } from '../../shared/lib/text/model-address.ts'
import type { Registry } from '../../shared/registry/types.ts'
import { createFakeEncoder, type FakeEncoderOptions } from './fake-encoder.ts'

/** What a test may choose about the encoders that can be opened. */
export interface FakeSourcesOptions {
  /** Encoders of this machine by name. */
  readonly local?: Readonly<Record<string, FakeEncoderOptions>>
  /** What is different about an encoder, by `name@v2`. */
  readonly versions?: Readonly<Record<string, FakeEncoderOptions>>
  /** Awaited before an encoder is open; throws where it must not be. */
  readonly onOpen?: (label: string) => Promise<void>
  /** Memory of each. */
  readonly bytes?: number
}

/** Sources of fake encoders, and which of those are open. */
export interface FakeSources extends EncoderSources {
  /** Labels in the order of opening, as often as each was opened. */
  readonly opened: string[]
  /** Labels of what is open now. */
  openNow(): string[]
}

/** Encoders of a registry's versions and of this machine, without ONNX Runtime. */
export function createFakeSources({
  local = {},
  versions = {},
  onOpen = async () => {},
  bytes = 1_000,
}: FakeSourcesOptions = {}): FakeSources {
  const opened: string[] = []
  const open = new Set<string>()
  const source = (key: string, label: string, options: FakeEncoderOptions): EncoderSource => ({
    key,
    label,
    bytes,
    async open(): Promise<OpenedEncoder> {
      opened.push(label)
      await onOpen(label)
      open.add(label)
      const inner = createFakeEncoder(options)
      const encoder: Encoder = {
        ...inner,
        async close() {
          open.delete(label)
          await inner.close()
        },
      }
      return { encoder, bytes }
    },
  })
  const ofLocal = (name: string) => {
    const options = local[name.toLowerCase()]
    if (options) return source(`local:${name}`, name, { name: name.toLowerCase(), ...options })
    return {
      ...source(`local:${name}`, name, {}),
      open: () => {
        const message = `there is no encoder "${name}"`
        return Promise.reject(new EspalierError('model_not_found', message))
      },
    }
  }
  return {
    opened,
    openNow: () => [...open].sort(),
    ofLocal,
    ofVersion(version) {
      const label = formatModelVersion(version)
      return source(`registry:${label}`, label, {
        name: version.name,
        version: version.version,
        family: version.family,
        fingerprint: version.fingerprint ?? version.family,
        ...versions[label],
      })
    },
    async ofBuiltin(name) {
      return Object.hasOwn(local, name) ? ofLocal(name) : null
    },
    async ofFamily(family) {
      const found = Object.entries(local).find(([, options]) => options.family === family)
      return found ? ofLocal(found[0]) : null
    },
  }
}

/** Publishes an encoder that only fake sources can open, and makes it the champion unless told otherwise. */
export async function publishFakeEncoder(
  registry: Registry,
  name: string,
  options: { family?: string; alias?: string | null } = {},
): Promise<number> {
  const { family = 'a'.repeat(64), alias = 'champion' } = options
  const { version } = await registry.publish({
    name,
    kind: 'embedding',
    family,
    metadata: {},
    files: [{ path: 'encoder.json', source: { bytes: Buffer.from('{}') } }],
  })
  if (alias) await registry.promote(name, version.version, { alias })
  return version.version
}
