import { type EncoderCard, readEncoderCard } from '../encoders/encoder-version.ts'
import { isEspalierError } from '../lib/errors.ts'
import { parseModelAddress } from '../lib/text/model-address.ts'
import { emptyState, type ModelState } from '../registry/records/state.ts'
import type { RegistryReader, RegistryVersion } from '../registry/types.ts'

/** A model as its card shows it: one version, and what its names mean. */
export interface ModelCard {
  readonly name: string
  /** Versions that are not deleted, ascending. */
  readonly versions: readonly number[]
  readonly version: RegistryVersion
  /** How the address led to that version. */
  readonly via: 'version' | 'alias' | 'traffic' | 'newest'
  readonly state: ModelState
  /** What the version says of itself as an encoder; null for classifiers. */
  readonly encoder: EncoderCard | null
}

/**
 * Reads the card of `name`, `name@alias` or `name@v7`. A bare name means what it means to clients; where it
 * means nothing yet, the newest version.
 * @throws EspalierError `invalid_name`, `model_not_found`, `version_not_found`
 */
export async function readModelCard(
  registry: RegistryReader,
  address: string,
  signal?: AbortSignal | undefined,
): Promise<ModelCard> {
  const { name, selector } = parseModelAddress(address)
  const versions = await registry.listVersions(name, { signal })
  const chosen = await registry.resolve(address, { signal }).catch((error: unknown) => {
    const newest = versions.at(-1)
    const unpromoted = selector.kind === 'default' && isEspalierError(error, 'version_not_found')
    if (!unpromoted || newest === undefined) throw error
    return { version: newest, via: 'newest' as const }
  })
  const version = await registry.getVersion(name, chosen.version, { signal })
  const reading = await registry.readState(name, { signal })
  const state = reading.status === 'found' ? reading.state : emptyState(name)
  return { name, versions, version, via: chosen.via, state, encoder: readEncoderCard(version) }
}
